"""Every error as problem details (RFC 9457), ``application/problem+json``."""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.http import Http404
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as ForbiddenByAPI
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ocpp_app.database import is_unavailable

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:django-ocpp-csms:problem:{code}"
"""``type`` of a problem: a name to compare with, no address."""


RETRY_AFTER_S = 5


class Problem(APIException):
    """An error with members of its own beside those of RFC 9457: the class says what happened, ``extra`` tells more."""

    title = ""

    def __init__(self, detail: str | None = None, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})
        self.extra = extra


class Conflict(Problem):
    """What is asked for does not fit the state of things."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"
    default_detail = "This conflicts with the present state."


class PreconditionFailed(Problem):
    """If-Match names another state than the present one: somebody else has changed it meanwhile."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "precondition-failed"
    default_detail = "It has been changed meanwhile: read it again, and send If-Match with its present ETag."


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to whatever a view raised; what nobody expected is logged, and answered with 500."""
    set_rollback()
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = ForbiddenByAPI()
    request = context.get("request")
    path = request.get_full_path() if request is not None else ""
    if isinstance(error, DatabaseError) and is_unavailable(error):
        logger.error("%s: the database cannot be used: %s", path, error)
        text = "The database cannot be used at the moment. Nothing was done; ask again."
        return _response(503, "database-unavailable", text, path, {"Retry-After": str(RETRY_AFTER_S)})
    if not isinstance(error, APIException):
        logger.error("%s failed.", path, exc_info=error)
        got_request_exception.send(sender=type(context.get("view")), request=getattr(request, "_request", None))
        return _response(500, "internal-error", "Our fault: the reason is in the server's log.", path)
    headers = dict(getattr(error, "headers", {}))
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    extra = dict(getattr(error, "extra", {}))
    if isinstance(error, ValidationError):
        extra["errors"] = list(_errors(error.detail))
        detail, code = "The request has errors; each is named in errors.", "invalid"
    else:
        detail, code = str(error.detail), str(error.get_codes()).replace("_", "-")
    return _response(error.status_code, code, detail, path, headers, **extra)


def _response(
    status_code: int, code: str, detail: str, path: str, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    problem = {
        "type": TYPE.format(code=code),
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": detail,
        "instance": path,
        **extra,
    }
    return Response(problem, status=status_code, headers=dict(headers or {}), content_type=MEDIA_TYPE)


def _errors(detail: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """Each message with the JSON Pointer (RFC 6901) to the field that it is about."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else f"/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _errors(inner, pointer + step)
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from _errors(inner, pointer if isinstance(inner, str) else f"{pointer}/{number}")
    else:
        yield {"pointer": pointer, "detail": str(detail), "code": str(getattr(detail, "code", "invalid"))}
