"""Attempts to sign in to the web pages."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class SignIn(models.Model):
    """One attempt to sign in with a password; kept for thirty days, to slow down those who guess."""

    account = models.CharField(_("account"), max_length=255, help_text=_("As typed, in lower case."))
    remote_address = models.CharField(_("remote address"), max_length=100, blank=True)
    device = models.CharField(
        _("browser"), max_length=32, blank=True, help_text=_("One that has signed in to this account before.")
    )
    has_succeeded = models.BooleanField(_("succeeded"), default=False)
    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("account", "at"), name="ocpp_sign_in_account"),
            models.Index(fields=("remote_address", "at"), name="ocpp_sign_in_address"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.at:%Y-%m-%d %H:%M:%S}"
