"""What charging costs: prices, and windows of the day and the week with prices of their own."""

from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.organisation import Organisation, default_organisation_id

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""The fields of a window that say on which days it begins, in the order of ``date.isoweekday()``."""


def price(name: Any, **options: Any) -> models.DecimalField:
    """A column for a price in the tariff's currency: up to six decimals, never negative."""
    return models.DecimalField(name, max_digits=14, decimal_places=6, validators=(MinValueValidator(0),), **options)


def validate_time_zone(name: str) -> None:
    """A name of the IANA time zone database."""
    if name not in available_timezones():
        raise ValidationError(
            _("%(name)s is no time zone. Use a name such as Europe/Berlin or America/New_York."), params={"name": name}
        )


class Tariff(models.Model):
    """The prices of an organisation under one name.

    A transaction takes its tariff when it starts: that of its idTag, else of the idTag's parent, else of the charge
    point, else of the site, else the organisation's default. It keeps a copy of the terms: a later change here changes
    no transaction that has begun.
    """

    organisation = models.ForeignKey(
        Organisation, models.PROTECT, related_name="tariffs", default=default_organisation_id, db_index=False
    )
    name = models.CharField(_("name"), max_length=200)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        validators=(RegexValidator("^[A-Z]{3}$", _("Use the three letters of ISO 4217, such as EUR or USD.")),),
        help_text=_("ISO 4217: EUR, USD, CHF …"),
    )
    price_per_kwh = price(_("per kWh"), default=0)
    price_per_minute = price(
        _("per minute"), default=0, help_text=_("From the start of the transaction to its end, to the second.")
    )
    price_per_start = price(_("per start"), default=0)
    idle_price_per_minute = price(
        _("idle fee per minute"),
        default=0,
        help_text=_("While the car takes no more energy but stays; on top of the price per minute."),
    )
    idle_grace_minutes = models.PositiveIntegerField(
        _("idle grace (minutes)"), default=0, help_text=_("How long after the car is full the idle fee begins.")
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=(validate_time_zone,),
        help_text=_("In which the windows are meant, such as Europe/Berlin."),
    )
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("What charging costs in this organisation where nothing closer has a tariff."),
    )
    note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("organisation", "name"), name="ocpp_tariff_name"),
            models.UniqueConstraint(
                fields=("organisation",),
                condition=models.Q(is_default=True),
                name="ocpp_one_default_tariff",
                violation_error_message=_("The organisation has a default tariff already."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def terms(self) -> dict[str, Any]:
        """The prices as JSON, as ``ocpp_app.pricing.Terms`` reads them; what a transaction keeps."""
        return {
            "tariff": self.pk,
            "name": self.name,
            "currency": self.currency,
            "time_zone": self.time_zone,
            "price_per_kwh": str(self.price_per_kwh),
            "price_per_minute": str(self.price_per_minute),
            "price_per_start": str(self.price_per_start),
            "idle_price_per_minute": str(self.idle_price_per_minute),
            "idle_grace_minutes": self.idle_grace_minutes,
            "windows": [window.terms() for window in self.windows.all()],
        }


class TariffWindow(models.Model):
    """A part of the day on some days of the week, with prices of its own; of several that apply the first counts."""

    tariff = models.ForeignKey(Tariff, models.CASCADE, related_name="windows")
    name = models.CharField(_("name"), max_length=100, help_text=_("As it stands on the bill: night, weekend …"))
    position = models.PositiveSmallIntegerField(
        _("position"), default=0, help_text=_("Of windows that overlap, the one with the lower number counts.")
    )
    monday = models.BooleanField(_("Mon"), default=True)
    tuesday = models.BooleanField(_("Tue"), default=True)
    wednesday = models.BooleanField(_("Wed"), default=True)
    thursday = models.BooleanField(_("Thu"), default=True)
    friday = models.BooleanField(_("Fri"), default=True)
    saturday = models.BooleanField(_("Sat"), default=True)
    sunday = models.BooleanField(_("Sun"), default=True)
    starts_at = models.TimeField(_("from"))
    ends_at = models.TimeField(
        _("to"),
        help_text=_("Not after the start: on the next day. The day is that of the start. Equal: 24 hours."),
    )
    price_per_kwh = price(_("per kWh"), null=True, blank=True, help_text=_("Empty: as the tariff says."))
    price_per_minute = price(_("per minute"), null=True, blank=True, help_text=_("Empty: as the tariff says."))
    idle_price_per_minute = price(
        _("idle fee per minute"), null=True, blank=True, help_text=_("Empty: as the tariff says.")
    )

    class Meta:
        verbose_name = _("tariff window")
        verbose_name_plural = _("tariff windows")
        ordering = ("tariff", "position", "pk")

    def __str__(self) -> str:
        return f"{self.name} {self.starts_at:%H:%M}–{self.ends_at:%H:%M}"

    def clean(self) -> None:
        super().clean()
        if not any(getattr(self, day) for day in WEEKDAYS):
            raise ValidationError(_("Choose at least one day of the week."))

    def terms(self) -> dict[str, Any]:
        """The window as JSON; see ``Tariff.terms``."""
        return {
            "name": self.name,
            "weekdays": [number for number, day in enumerate(WEEKDAYS, start=1) if getattr(self, day)],
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "price_per_kwh": _text(self.price_per_kwh),
            "price_per_minute": _text(self.price_per_minute),
            "idle_price_per_minute": _text(self.idle_price_per_minute),
        }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
