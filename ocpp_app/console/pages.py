"""The pages that stand in the navigation behind the first three."""

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from ocpp_app.models import Scope


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: the name of its address, what it is called, and what one needs to see it."""

    name: str
    title: Any
    scope: Scope = Scope.READ
    permission: str = ""

    @property
    def url(self) -> str:
        return reverse(f"console:{self.name}")


ITEMS: tuple[Item, ...] = (
    Item("transactions", _("Transactions"), permission="ocpp_app.view_transaction"),
    Item("tags", _("Tags"), permission="ocpp_app.view_idtag"),
    Item("reports", _("Reports"), permission="ocpp_app.view_transaction"),
    Item("tariffs", _("Tariffs"), permission="ocpp_app.view_tariff"),
    Item("batches", _("Commands to many"), permission="ocpp_app.view_commandbatch"),
    Item("profiles", _("Charging profiles"), permission="ocpp_app.view_chargingprofile"),
    Item("campaigns", _("Firmware"), permission="ocpp_app.view_firmwarecampaign"),
    Item("people", _("People"), Scope.ADMIN, "ocpp_app.add_membership"),
    Item("tokens", _("API tokens"), Scope.ADMIN, "ocpp_app.add_apitoken"),
    Item("webhooks", _("Webhooks"), Scope.ADMIN, "ocpp_app.add_webhooksubscription"),
)


def of(request: Any) -> list[Item]:
    """The entries that the visitor may follow."""
    return [item for item in ITEMS if request.access.may_somewhere(item.scope, item.permission)]


def admin_url() -> str:
    """Where the project has Django's admin; empty where it has none."""
    try:
        return reverse("admin:index")
    except NoReverseMatch:
        return ""
