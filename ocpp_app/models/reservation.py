"""Reservations of connectors (OCPP 1.6 §5.1, §5.13)."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocpp_app.models.charge_point import ChargePoint, Connector
from ocpp_app.models.command import Command
from ocpp_app.models.id_tag import IdTag
from ocpp_app.models.organisation import Organisation
from ocpp_app.models.transaction import Transaction


class ReservationState(models.TextChoices):
    """ReservationStatus (OCPP 1.6 §7.40), and what becomes of a reservation before and after it.

    ``Faulted`` and ``Unavailable`` are both the answer and the end of an accepted reservation (§5.13).
    """

    REQUESTED = "Requested", _("requested: not answered yet")
    ACCEPTED = "Accepted", _("accepted: the connector is held")
    OCCUPIED = "Occupied", _("refused: the connector is occupied or reserved")
    FAULTED = "Faulted", _("the connector is faulted")
    UNAVAILABLE = "Unavailable", _("the connector is unavailable")
    REJECTED = "Rejected", _("refused: the charge point takes no reservations")
    CANCELLED = "Cancelled", _("cancelled")
    EXPIRED = "Expired", _("expired unused")
    USED = "Used", _("used by a transaction")


OPEN_RESERVATION_STATES = (ReservationState.REQUESTED, ReservationState.ACCEPTED)


class Reservation(models.Model):
    """A connector held for an idTag until ``expires_at``; its primary key is the ``reservationId`` on the wire."""

    id = models.AutoField(_("reservationId"), primary_key=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="reservations", db_index=False)
    charge_point = models.ForeignKey(ChargePoint, models.CASCADE, related_name="reservations")
    connector = models.ForeignKey(
        Connector,
        models.CASCADE,
        related_name="reservations",
        help_text=_("Connector 0: any connector of the charge point."),
    )
    id_tag = models.CharField(_("idTag"), max_length=20)
    parent_id_tag = models.CharField(
        _("parent idTag"), max_length=20, blank=True, help_text=_("Tags with this parent may use it as well.")
    )
    tag = models.ForeignKey(IdTag, models.SET_NULL, null=True, blank=True, related_name="reservations")
    expires_at = models.DateTimeField(_("expires"))
    status = models.CharField(
        _("status"), max_length=20, choices=ReservationState.choices, default=ReservationState.REQUESTED
    )
    status_at = models.DateTimeField(_("status since"))
    detail = models.CharField(_("detail"), max_length=255, blank=True, help_text=_("Why it has this status."))
    transaction = models.ForeignKey(
        Transaction,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reservations",
        help_text=_("The transaction that used it."),
    )
    command = models.ForeignKey(
        Command, models.SET_NULL, null=True, blank=True, related_name="+", help_text=_("The ReserveNow.req.")
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=("charge_point", "expires_at"),
                condition=models.Q(status__in=["Requested", "Accepted"]),
                name="ocpp_reservation_open",
            ),
            models.Index(fields=("organisation", "-id"), name="ocpp_reservation_organisation"),
        )

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether it holds, or may yet hold, a connector."""
        return self.status in OPEN_RESERVATION_STATES
