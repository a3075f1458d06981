"""API tokens: a program's way into the API."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.membership import Scope
from ocpp_app.models.organisation import Organisation

PREFIX = "ocpp_"
"""What a token begins with, so that secret scanners and people recognise one."""
HINT_LENGTH = len(PREFIX) + 6


class ApiToken(models.Model):
    """A bearer token of one organisation; only its hash is kept.

    SHA-256 and no slow hash: the secret is 32 random bytes, which nobody guesses, and it is checked with every request.
    With a user it may do no more than the user; without one it stands for itself.
    """

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="api_tokens")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="ocpp_api_tokens",
        help_text=_("In whose name it acts, and whose rights it never exceeds. Empty: in its own."),
    )
    name = models.CharField(_("name"), max_length=200, help_text=_("What uses it, such as: billing, dashboard."))
    scope = models.CharField(_("scope"), max_length=10, choices=Scope.choices, default=Scope.READ)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        _("begins with"), max_length=20, editable=False, help_text=_("Enough to recognise it, too little to use it.")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, help_text=_("Empty: never."))
    last_used_at = models.DateTimeField(
        _("last used"), null=True, blank=True, editable=False, help_text=_("At most a minute behind.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("organisation", "name", "pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @classmethod
    def issue(cls, **fields: Any) -> tuple["ApiToken", str]:
        """A new token, saved, and its secret, which nobody can read afterwards."""
        token = cls(**fields)
        secret = token.renew()
        token.save(force_insert=True)
        return token, secret

    def renew(self) -> str:
        """Give it a new secret, returned; the old one ends with the next ``save``."""
        secret = PREFIX + secrets.token_urlsafe(32)
        self.digest, self.hint = digest_of(secret), secret[:HINT_LENGTH]
        return secret

    def is_expired(self, now: datetime | None = None) -> bool:
        return self.expires_at is not None and self.expires_at <= (now or timezone.now())


def digest_of(secret: str) -> str:
    """What is kept of a token's secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
