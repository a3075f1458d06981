"""What the page has to know of the messages: the JSON Schema of every request, and who sends it."""

import functools
from typing import Any

from ocppj.documentation import json_schema
from ocppj.v16 import PROTOCOL


@functools.cache
def requests() -> dict[str, dict[str, Any]]:
    """By action: ``sender`` (``charge_point``, ``central_system`` or ``both``) and ``schema``."""
    return {
        str(action): {"sender": spec.sender.name, "schema": json_schema(spec.request)}
        for action, spec in PROTOCOL.actions.items()
    }
