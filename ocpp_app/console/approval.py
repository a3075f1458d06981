"""The inbox of charge points that nobody has registered."""

from django.http import HttpResponse

from ocpp_app import security
from ocpp_app.access import visible
from ocpp_app.console.charge_point import websocket_url
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, show, signed_in
from ocpp_app.models import UPGRADING, ChargePoint, RegistrationStatus, SecurityUpgrade

AT_ONCE = 20


@signed_in
def approval(request: ConsoleRequest) -> HttpResponse:
    """The newest first: approve, reject, set a password, copy the address."""
    rows = visible(ChargePoint.objects.filter(registration_status=RegistrationStatus.PENDING), request.access)
    page = page_of(rows.select_related("session", "organisation").order_by("-created_at", "-pk"), request, AT_ONCE)
    upgrades = SecurityUpgrade.objects.filter(charge_point__in=[row.pk for row in page.rows], state__in=UPGRADING)
    under_way = {upgrade.charge_point_id: upgrade for upgrade in upgrades}
    items = [
        {
            "needs_key": security.needs_key(row),
            "row": row,
            "upgrade": under_way.get(row.pk),
            "websocket_url": websocket_url(request, row),
        }
        for row in page.rows
    ]
    return show(request, "approval.html", {"page": page, "items": items})
