"""The settings of drf-spectacular that the API's schema is made with.

A project takes them over: ``from ocpp_app.api.spectacular import SPECTACULAR_SETTINGS``. Nothing is imported here, so
that a settings module can.
"""

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Charging: the central system's API",
    "DESCRIPTION": (
        "Charge points, transactions, idTags, commands and events of an OCPP central system.\n\n"
        "Sign in with an API token: `Authorization: Bearer ocpp_…`. Energies are in Wh, powers in W, times in UTC "
        "(ISO 8601). Errors are problem details (RFC 9457). Lists come in pages: follow `next`. "
        "What can be changed carries an ETag; send it back as If-Match and nobody's change is overwritten."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_NAME_OVERRIDES": {
        "ReservationStateEnum": "ocpp_app.models.ReservationState",
        "CommandStateEnum": "ocpp_app.models.CommandState",
        "RegistrationStatusEnum": "ocpp_app.models.RegistrationStatus",
        "SecurityProfileEnum": "ocpp_app.models.SecurityProfile",
        "ScopeEnum": "ocpp_app.models.Scope",
        "RoleEnum": "ocpp_app.models.Role",
        "DirectionEnum": "ocpp_app.models.Direction",
        "DeliveryStateEnum": "ocpp_app.models.DeliveryState",
        "WantedStateEnum": "ocpp_app.models.WantedState",
        "AvailabilityEnum": "ocpp_app.models.Availability",
        "TaskStateEnum": "ocpp_app.models.TaskState",
        "CampaignStateEnum": "ocpp_app.models.CampaignState",
        "CampaignTargetStateEnum": "ocpp_app.models.TargetState",
        "CertificateRequestStateEnum": "ocpp_app.models.RequestState",
        "CertificateUseEnum": "ocpp_app.models.CertificateUse",
        "DiagnosticsKindEnum": "ocpp_app.models.DiagnosticsKind",
        "AvailabilityStateEnum": "ocpp_app.models.AvailabilityState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ocpp_app.api.schema.add_problems",
        "ocpp_app.api.webhooks.add_webhooks",
        "ocpp_app.api.schema.add_ocpp_messages",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "validatorUrl": None},
}
