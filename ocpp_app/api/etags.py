"""ETag and If-Match (RFC 9110 §13.1.1): nobody overwrites what somebody else has changed meanwhile.

The tag is that of what can be written, not of live state: a charge point that sends a heartbeat does not spoil it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from django.db import models
from rest_framework.request import Request

from ocpp_app.api.problems import PreconditionFailed


def etag_of(row: models.Model, names: Iterable[str]) -> str:
    """The tag of a row's present values in these fields."""
    values = (f"{name}={_value(row, name)!r}" for name in sorted(names))
    digest = hashlib.sha256("\n".join((row._meta.label, str(row.pk), *values)).encode()).hexdigest()
    return f'"{digest[:32]}"'


def check_if_match(request: Request, row: models.Model, names: Iterable[str]) -> None:
    """Raise ``PreconditionFailed`` unless If-Match is absent, ``*``, or names the present state of the row."""
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*":
        return
    present = etag_of(row, names)
    if present not in (tag.strip() for tag in wanted.split(",")):
        raise PreconditionFailed(headers={"ETag": present})


def _value(row: models.Model, name: str) -> Any:
    field = row._meta.get_field(name)
    if field.many_to_many:
        return sorted(related.pk for related in getattr(row, name).all())
    if field.one_to_many:
        return [
            [str(getattr(related, f.attname)) for f in related._meta.concrete_fields]
            for related in getattr(row, name).all()
        ]
    return str(getattr(row, field.attname))  # type: ignore[union-attr]
