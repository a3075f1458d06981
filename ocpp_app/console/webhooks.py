"""Webhooks: who gets which events, and what became of each delivery."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ocpp_app import audit
from ocpp_app.admin.event import WebhookForm as AdminForm
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import edit, require_in, require_to_add
from ocpp_app.console.forms import OwnedForm, manageable
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, show, signed_in
from ocpp_app.events import signing
from ocpp_app.events.replay import replay
from ocpp_app.models import DeliveryState, WebhookDelivery, WebhookSubscription

TONES = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.RETRYING: "busy",
    DeliveryState.GIVEN_UP: "bad",
    DeliveryState.REPLAY: "warning",
}


class WebhookForm(OwnedForm, AdminForm):
    class Meta(AdminForm.Meta):
        pass


@signed_in
def webhooks(request: ConsoleRequest) -> HttpResponse:
    """Those of the organisations that the visitor administers."""
    require_to_add(request, WebhookSubscription)
    mine = manageable(request.access, "ocpp_app.view_webhooksubscription")
    rows = WebhookSubscription.objects.filter(organisation__in=mine).select_related("organisation")
    return show(request, "webhooks.html", {"page": page_of(rows.order_by("name", "pk"), request)})


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    """A new one; its secret is in the answer and nowhere else."""
    require_to_add(request, WebhookSubscription)
    form = WebhookForm(request.POST if request.method == "POST" else None, access=request.access)

    def save() -> HttpResponseBase:
        return _with_new_secret(request, form.save(commit=False))

    return edit(request, form, heading=_("A new webhook"), section="webhooks", save=save)


@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, WebhookSubscription.objects.select_related("organisation"), pk=pk)
    require_in(request, row, "change")
    form = WebhookForm(request.POST if request.method == "POST" else None, instance=row, access=request.access)

    def save() -> None:
        columns = [name for name in form.changed_data if name != "organisation"]
        form.save(commit=False).save(update_fields=columns)

    return edit(request, form, heading=row.name, section="webhooks", save=save, delete_url="console:webhook-delete")


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, WebhookSubscription.objects.all(), pk=pk)
    return ask_to_delete(request, row, "webhooks", [_("It gets nothing any more; its delivery log goes, too.")])


@require_POST
@signed_in
def new_secret(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Another secret; the old one signs beside it for a while."""
    row = find(request, WebhookSubscription.objects.all(), pk=pk)
    require_in(request, row, "change")
    return _with_new_secret(request, row)


def _with_new_secret(request: Any, row: WebhookSubscription) -> HttpResponse:
    secret = signing.give_secret(row)
    row.save()
    audit.record("webhook secret made", actor=request.user, subject=row.name, organisation_id=row.organisation_id)
    context = {
        "secret": secret,
        "what": _("secret of %s") % row.name,
        "section": "webhooks",
        "back": "console:webhooks",
    }
    return show(request, "secret.html", context)


@signed_in
def deliveries(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The delivery log, the newest first."""
    row = find(request, WebhookSubscription.objects.select_related("organisation"), pk=pk)
    require_in(request, row, "view")
    rows = WebhookDelivery.objects.filter(subscription=row).select_related("event__charge_point").order_by("-pk")
    page = page_of(rows, request)
    for one in page.rows:
        one.tone = TONES.get(one.state, "idle")
    return show(request, "deliveries.html", {"row": row, "page": page, "section": "webhooks"})


@require_POST
@signed_in
def again(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    """Deliver once more: one, or all that was given up."""
    row = find(request, WebhookSubscription.objects.all(), pk=pk)
    require_in(request, row, "change")
    chosen = WebhookDelivery.objects.filter(subscription=row)
    one = request.POST.get("delivery", "")
    is_one = one.isdecimal() and len(one) < 19
    chosen = chosen.filter(pk=int(one)) if is_one else chosen.filter(state=DeliveryState.GIVEN_UP)
    messages.success(request, _("%d events are delivered once more.") % replay(chosen))
    return redirect("console:webhook-deliveries", pk)
