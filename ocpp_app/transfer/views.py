"""What charge points ask of these addresses: to hand over a file, or to fetch one. Nobody signs in here: who has the
address may use it, once, for a while."""

import logging
import re
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ocpp_app import conf
from ocpp_app.models import DiagnosticsTask, FirmwareTask, TaskState
from ocpp_app.transfer import uploads
from ocpp_app.transfer.links import digest_of
from ocpp_app.transfer.uploads import TooLarge, Truncated
from ocpp_app.trespass import note_wrong_transfer
from ocppj.secrets import shown_location

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")
MULTIPART_ROOM = 64 * 1024
"""What a multipart body may be larger than its file, in bytes."""
NO_MORE_DOWNLOADS = (TaskState.DONE, TaskState.CANCELLED)


class Quota(TemporaryFileUploadHandler):
    """Stops at what is allowed, before it fills the disk."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > conf.upload_max_bytes():
            raise StopUpload(connection_reset=True)
        super().receive_data_chunk(raw_data, start)


@csrf_exempt
@require_http_methods(["PUT", "POST"])
def upload(request: HttpRequest, token: str, name: str = "") -> HttpResponse:
    """Take one file: the body, or the file in a multipart form. 201: kept; 410: the address was used, or is over."""
    task = DiagnosticsTask.objects.filter(link_digest=digest_of(token)).select_related("charge_point").first()
    if task is None:
        return _refuse(request, None, 404, "There is no such address.")
    if task.uploaded_at is not None or task.state == TaskState.CANCELLED or task.expires_at <= timezone.now():
        return _refuse(request, task, 410, "This address was used already, or its time is over.")
    length = _content_length(request)
    is_form = request.content_type == "multipart/form-data" and request.method == "POST"
    if length is not None and length > conf.upload_max_bytes() + (MULTIPART_ROOM if is_form else 0):
        return _too_large(request)
    try:
        if is_form:
            name, chunks = _file_of_form(request, name)
        else:
            chunks = _body(request, length)
        size = uploads.keep(task, name, chunks, request.META.get("REMOTE_ADDR", ""))
    except TooLarge:
        return _too_large(request)
    except (Truncated, MultiPartParserError, RequestDataTooBig, TooManyFilesSent) as error:
        return _say(request, 400, f"No file was kept: {error}")
    if size is None:
        return _refuse(request, task, 410, "This address was used already.")
    identity = task.charge_point.identity
    logger.info("%s has uploaded %d bytes.", identity, size, extra={"charge_point": identity})
    return _say(request, 201, "Kept.")


@require_http_methods(["GET", "HEAD"])
def firmware(request: HttpRequest, token: str, name: str = "") -> HttpResponseBase:
    """The firmware of one task, or a part of it (Range); 410: the update has ended, or its time is over."""
    tasks = FirmwareTask.objects.filter(link_digest=digest_of(token)).select_related("firmware", "charge_point")
    task = tasks.first()
    if task is None or task.firmware is None:
        return _refuse(request, None, 404, "There is no such address.")
    if task.state in NO_MORE_DOWNLOADS or task.expires_at <= timezone.now():
        return _refuse(request, task, 410, "This address was for an update that has ended, or its time is over.")
    size = task.firmware.size
    wanted = _range(request.headers.get("Range", ""), size)
    if wanted is None:
        refusal = _say(request, 416, "There is no such part of the file.")
        refusal["Content-Range"] = f"bytes */{size}"
        return refusal
    start, end = wanted
    is_part = (start, end) != (0, size)
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type="application/octet-stream")
    else:
        uploads.note_download(task, begins=start == 0)
        file = task.firmware.file.open("rb")
        response = StreamingHttpResponse(
            _portions(file, start, end), status=206 if is_part else 200, content_type="application/octet-stream"
        )
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = f'attachment; filename="{task.firmware.file_name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    if is_part:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


# -- inside ----------------------------------------------------------------------------------------------------


def _say(request: HttpRequest, status: int, text: str) -> HttpResponse:
    response = HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    if response.status_code >= 400:
        logger.warning("%s: %d %s", shown_location(request.path), status, text)
        # Django would log the path as it is, and the address may still be valid.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _refuse(request: HttpRequest, task: DiagnosticsTask | FirmwareTask | None, status: int, text: str) -> HttpResponse:
    """Somebody may have read an address, or guesses: it is seen."""
    charge_point = None if task is None else task.charge_point
    note_wrong_transfer(request, charge_point, f"{request.method} {shown_location(request.path)}: {text}")
    return _say(request, status, text)


def _too_large(request: HttpRequest) -> HttpResponse:
    return _say(request, 413, f"The file is larger than {conf.upload_max_bytes()} bytes (OCPP_UPLOAD_MAX_BYTES).")


def _content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isdecimal() else None


def _body(request: HttpRequest, length: int | None) -> Iterator[bytes]:
    """The body in portions; ``Truncated`` where the charge point was cut off, since half a file is none."""
    received = 0
    while chunk := request.read(CHUNK):
        received += len(chunk)
        yield chunk
    if length is not None and received != length:
        raise Truncated(f"{received} of {length} bytes came.")


def _file_of_form(request: HttpRequest, name: str) -> tuple[str, Iterator[bytes]]:
    request.upload_handlers = [Quota(request)]
    files = list(request.FILES.values())
    if len(files) != 1:
        reset = not files and (_content_length(request) or 0) > conf.upload_max_bytes()
        if reset:
            raise TooLarge
        raise Truncated(f"the form must have one file, not {len(files)}.")
    file: Any = files[0]
    return name or str(file.name), file.chunks()


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Where the wanted part begins and ends; the whole file where nothing sensible is asked for, None where there is
    no such part."""
    found = RANGE.match(header.strip())
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if first == "":
        return (max(0, size - int(last)), size) if int(last) else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None


def _portions(file: Any, start: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK, end - start))):
            start += len(chunk)
            yield chunk
