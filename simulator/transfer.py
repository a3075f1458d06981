"""Moves files for a charge point over HTTP: firmware in, diagnostics out (OCPP 1.6 §8). Blocks: call it in a thread."""

import base64
import hashlib
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, build_opener

from simulator.maintenance import Download, Job

TIMEOUT_S = 30.0
CHUNK = 64 * 1024
MOST_BYTES = 256 * 1024 * 1024
METHOD_NOT_ALLOWED = 405

_opener = build_opener()


def transfer(job: Job, content: bytes) -> int:
    """Do a job of ``Maintenance``: fetch a file, or hand over ``content``; its size in bytes.

    Raises ``OSError``, ``ValueError`` or ``http.client.HTTPException`` where that is not possible.
    """
    if isinstance(job, Download):
        size, job.digest = _download(job.url)
        return size
    _upload(job.url, job.file_name, content)
    return len(content)


def _download(url: str) -> tuple[int, bytes]:
    """The size, and the SHA-256."""
    size, digest = 0, hashlib.sha256()
    with _opener.open(_request(url), timeout=TIMEOUT_S) as response:
        while chunk := response.read(CHUNK):
            size += len(chunk)
            digest.update(chunk)
            if size > MOST_BYTES:
                raise ValueError(f"The file is longer than {MOST_BYTES} bytes.")
    return size, digest.digest()


def _upload(url: str, file_name: str, content: bytes) -> None:
    """PUT, or POST where PUT is not allowed; a location that ends with a slash is a directory for the file."""
    target = f"{url}{quote(file_name)}" if urlsplit(url).path.endswith("/") else url
    try:
        _send(target, "PUT", content)
    except HTTPError as error:
        if error.code != METHOD_NOT_ALLOWED:
            raise
        _send(target, "POST", content)


def _send(url: str, method: str, content: bytes) -> None:
    request = _request(url, method, content)
    request.add_header("Content-Type", "text/plain; charset=utf-8")
    with _opener.open(request, timeout=TIMEOUT_S) as response:
        response.read()


def _request(url: str, method: str = "GET", content: bytes | None = None) -> Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{parts.scheme} is not supported: see SupportedFileTransferProtocols.")
    # urllib does not take the user out of the address by itself.
    request = Request(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), data=content, method=method)
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
    return request
