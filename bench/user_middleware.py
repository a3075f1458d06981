"""Settings of a system under test with a user's middleware that makes one query for every CALL of the mix.

``DJANGO_SETTINGS_MODULE=bench.user_middleware`` and nothing else.
"""

from backend.settings import *  # noqa: F403
from bench.mix import ACTIONS
from ocppj.frames import MessageType

BUILT_IN = {
    "StartTransaction": ["ocpp_app.middleware.OrphanedTransactionMiddleware"],
    "StatusNotification": ["ocpp_app.middleware.AutoRemoteStartMiddleware"],
}
"""What stands before the middleware that carries the action's name (``ocpp_app.chains.DEFAULT_CHAINS``)."""

OCPP_MIDDLEWARE = {
    (action, MessageType.call): [
        "bench.one_query.OneQueryMiddleware",
        *BUILT_IN.get(action, []),
        f"ocpp_app.middleware.{action}Middleware",
    ]
    for action in ACTIONS
}
