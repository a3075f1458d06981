"""Who may do what in which organisation."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation


class Scope(models.TextChoices):
    """How far somebody's rights in an organisation go; each includes those before it."""

    READ = "read", _("read: look at everything")
    OPERATE = "operate", _("operate: send commands, approve, close")
    ADMIN = "admin", _("admin: register, change and delete")

    @property
    def rank(self) -> int:
        return list(Scope).index(self)

    def includes(self, other: "Scope") -> bool:
        """Whether who has this may do what ``other`` asks for."""
        return self.rank >= other.rank


class Role(models.TextChoices):
    """What a user is in an organisation."""

    VIEWER = "viewer", _("viewer: looks")
    OPERATOR = "operator", _("operator: sends commands as well")
    ADMIN = "admin", _("admin: registers, changes and deletes as well")

    @property
    def scope(self) -> Scope:
        return {Role.VIEWER: Scope.READ, Role.OPERATOR: Scope.OPERATE, Role.ADMIN: Scope.ADMIN}[self]


class Membership(models.Model):
    """A user of an organisation, with a role there; a superuser needs none."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="ocpp_memberships", db_index=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("organisation", "user")
        constraints = (models.UniqueConstraint(fields=("user", "organisation"), name="ocpp_membership"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.organisation} · {self.role}"
