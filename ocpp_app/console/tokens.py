"""API tokens: a program's way in, shown once and taken back here."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import edit, require_to_add
from ocpp_app.console.forms import Local, OwnedForm, manageable
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, show, signed_in
from ocpp_app.models import ApiToken


class TokenForm(OwnedForm):
    class Meta:
        model = ApiToken
        fields = ("name", "organisation", "scope", "expires_at")
        widgets = {"expires_at": Local()}


@signed_in
def tokens(request: ConsoleRequest) -> HttpResponse:
    """Those of the organisations that the visitor administers."""
    require_to_add(request, ApiToken)
    mine = manageable(request.access, "ocpp_app.view_apitoken")
    rows = ApiToken.objects.filter(organisation__in=mine).select_related("organisation", "user")
    return show(request, "tokens.html", {"page": page_of(rows.order_by("organisation__name", "name", "pk"), request)})


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    """A new token; its secret is in the answer and nowhere else."""
    require_to_add(request, ApiToken)
    form = TokenForm(request.POST if request.method == "POST" else None, access=request.access)

    def save() -> HttpResponseBase:
        token = form.save(commit=False)
        secret = token.renew()
        token.save()
        context = {"secret": secret, "what": _("token %s") % token.name, "section": "tokens", "back": "console:tokens"}
        return show(request, "secret.html", context)

    return edit(request, form, heading=_("A new API token"), section="tokens", save=save)


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, ApiToken.objects.all(), pk=pk)
    return ask_to_delete(request, row, "tokens", [_("What uses it is refused from now on.")])
