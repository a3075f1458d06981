"""System checks of the simulator page's settings."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from simulator.web import conf


@register()
def check_access(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_SIMULATOR is one of the words that it knows."""
    if conf.access() in conf.ACCESS:
        return []
    hint = "Use 'off', 'staff' (who is signed in to the admin sees the page) or 'open' (everybody does)."
    return [Error(f"OCPP_SIMULATOR is {conf.access()!r}.", hint=hint, id="simulator_web.E001")]
