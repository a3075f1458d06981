"""The table of the API's addresses; a project includes it under the path of its choice."""

from typing import Any

from django.urls import URLPattern, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound as NothingHere
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ocpp_app.api import (
    certificates,
    charge_points,
    charging_profiles,
    command_batches,
    commands,
    configuration,
    events,
    firmware,
    id_tags,
    local_lists,
    messages,
    problems,
    reports,
    reservations,
    security,
    tariffs,
    tasks,
    transactions,
)
from ocpp_app.api.resource import Resource

app_name = "ocpp-api"

COLLECTION = {"get": "list", "post": "create"}
ONE = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}


def resource(prefix: str, view: type[Resource]) -> list[URLPattern]:
    """The addresses of a resource: its collection, one of it, and its further actions."""
    found = [_route(f"{prefix}/", view, COLLECTION, "list"), _route(f"{prefix}/{view.key}/", view, ONE, "one")]
    extras: list[Any] = view.get_extra_actions()
    for extra in extras:
        where = f"{prefix}/{view.key}/" if extra.detail else f"{prefix}/"
        called = view.as_view(dict(extra.mapping), **extra.kwargs)
        found.append(path(f"{where}{extra.url_name}/", called, name=f"{prefix}-{extra.url_name}"))
    # What is spelled out comes before what a key may match.
    return sorted((route for route in found if route is not None), key=lambda route: "<" in str(route.pattern))


def _route(where: str, view: type[Resource], methods: dict[str, str], name: str) -> Any:
    actions: Any = {method: action for method, action in methods.items() if hasattr(view, action)}
    return path(where, view.as_view(actions), name=f"{where.split('/')[0]}-{name}") if actions else None


def part(where: str, view: type[Resource]) -> URLPattern:
    """A collection inside one of another resource."""
    methods = {**COLLECTION, "patch": "partial_update"}
    actions: Any = {method: action for method, action in methods.items() if hasattr(view, action)}
    return path(f"{where}/", view.as_view(actions), name=where.rsplit("/", 1)[1])


def single(where: str, view: type[Resource], methods: dict[str, str]) -> URLPattern:
    """What there is one of inside another resource."""
    actions: Any = methods
    return path(f"{where}/", view.as_view(actions), name=where.rsplit("/", 1)[1])


class NotFound(APIView):
    """Everything that is not in the table: a problem, not a page."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    renderer_classes = [JSONRenderer]
    schema = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.http_method_names = [request.method.lower()]
        setattr(self, request.method.lower(), self.answer)
        return super().dispatch(request, *args, **kwargs)

    def answer(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise NothingHere("There is nothing at this address. The addresses are in the schema: /api/v1/schema/.")

    def get_exception_handler(self) -> Any:
        return problems.handle


CHARGE_POINT = "charge-points/<str:identity>"

resources: list[URLPattern] = [
    *resource("charge-points", charge_points.ChargePoints),
    part(f"{CHARGE_POINT}/sessions", charge_points.Sessions),
    part(f"{CHARGE_POINT}/quirk-notes", charge_points.QuirkNotes),
    part(f"{CHARGE_POINT}/anomalies", charge_points.ChargePointAnomalies),
    part(f"{CHARGE_POINT}/commands", commands.ChargePointCommands),
    part(f"{CHARGE_POINT}/configuration", configuration.ChargePointConfiguration),
    part(f"{CHARGE_POINT}/availability", configuration.ChargePointAvailability),
    *resource("commands", commands.Commands),
    *resource("command-batches", command_batches.CommandBatches),
    part("command-batches/<uuid:batch>/commands", command_batches.BatchCommands),
    *resource("configuration-keys", configuration.ConfigurationKeys),
    *resource("configuration-templates", configuration.ConfigurationTemplates),
    *resource("sites", charge_points.Sites),
    *resource("groups", charge_points.Groups),
    *resource("transactions", transactions.Transactions),
    *resource("anomalies", transactions.Anomalies),
    *resource("meter-values", transactions.MeterValues),
    *resource("id-tags", id_tags.IdTags),
    *resource("tariffs", tariffs.Tariffs),
    *resource("messages", messages.Messages),
    *resource("reservations", reservations.Reservations),
    path("reports/", reports.Reports.as_view({"get": "make"}), name="reports"),
    *resource("firmware", firmware.FirmwareFiles),
    *resource("firmware-updates", firmware.FirmwareUpdates),
    *resource("firmware-campaigns", firmware.FirmwareCampaigns),
    part("firmware-campaigns/<int:campaign>/charge-points", firmware.CampaignTargets),
    *resource("diagnostics", tasks.Diagnostics),
    *resource("certificates", certificates.Certificates),
    *resource("certificate-requests", certificates.CertificateRequests),
    *resource("security-events", certificates.ChargePointSecurityEvents),
    *resource("access-events", security.AccessEvents),
    *resource("security-upgrades", security.SecurityUpgrades),
    *resource("audit-log", security.AuditLog),
    *resource("events", events.Events),
    *resource("webhooks", events.Webhooks),
    *resource("webhook-deliveries", events.WebhookDeliveries),
    single(f"{CHARGE_POINT}/local-list", local_lists.LocalLists, {"get": "retrieve", "patch": "partial_update"}),
    single(f"{CHARGE_POINT}/local-list/send-again", local_lists.SentAgain, {"post": "send_again"}),
    single(f"{CHARGE_POINT}/local-list/differences", local_lists.LocalListDifferences, {"get": "retrieve"}),
    part(f"{CHARGE_POINT}/local-list/entries", local_lists.LocalListEntries),
    part(f"{CHARGE_POINT}/charging-profiles", charging_profiles.InstalledProfiles),
    part(f"{CHARGE_POINT}/composite-schedules", charging_profiles.CompositeSchedules),
    *resource("charging-profiles", charging_profiles.ChargingProfiles),
    *resource("charging-profile-assignments", charging_profiles.Assignments),
]

urlpatterns = [
    *resources,
    path("schema/", SpectacularAPIView.as_view(schema=None), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="ocpp-api:schema", schema=None), name="docs"),
    re_path("", NotFound.as_view()),
]
