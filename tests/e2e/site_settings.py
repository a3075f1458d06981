"""The settings of a site with a middleware of its own; docs/middleware.md shows the same."""

from backend.settings import *  # noqa: F403
from ocppj.frames import MessageType
from ocppj.v16 import Action

OCPP_MIDDLEWARE = {
    (Action.StartTransaction, MessageType.call): [
        "only_connector_one.OnlyConnectorOne",
        "ocpp_app.middleware.OrphanedTransactionMiddleware",
        "ocpp_app.middleware.StartTransactionMiddleware",
    ],
}
