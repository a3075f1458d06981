"""Files that charge points hand over: kept once, with the task that they belong to."""

import contextlib
import hashlib
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile

from django.core.files import File
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ocpp_app import conf, signals
from ocpp_app.bulk import fit_text
from ocpp_app.errors import OCPPAppError
from ocpp_app.events import outbox
from ocpp_app.models import DiagnosticsTask, FirmwareTask, TaskState, private_files

IN_MEMORY = 1024 * 1024


class TooLarge(OCPPAppError):
    """More bytes than OCPP_UPLOAD_MAX_BYTES."""


class Truncated(OCPPAppError):
    """No whole file came; the address stays valid."""


def keep(task: DiagnosticsTask, name: str, chunks: Iterable[bytes], remote_address: str) -> int | None:
    """Keep a file for this task and end the task; its size, or None where another was quicker.

    Raises ``TooLarge`` and ``Truncated``, then nothing is kept.
    """
    with SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        size, digest = 0, hashlib.sha256()
        for chunk in chunks:
            size += len(chunk)
            if size > conf.upload_max_bytes():
                raise TooLarge
            digest.update(chunk)
            spool.write(chunk)
        if not size:
            raise Truncated("it is empty.")
        spool.seek(0)
        stored = private_files.save(f"uploads/{task.charge_point_id}/{task.pk}", File(spool))
    try:
        is_first = _finish(task, stored, size, digest.hexdigest(), name, remote_address)
    except BaseException:
        _remove(stored)
        raise
    if not is_first:
        _remove(stored)
        return None
    return size


def _finish(task: DiagnosticsTask, stored: str, size: int, sha256: str, name: str, remote_address: str) -> bool:
    """The one statement that decides who was first; whatever its charge point says of the upload afterwards."""
    now = timezone.now()
    with transaction.atomic():
        outbox.lock([task.charge_point_id])
        unused = DiagnosticsTask.objects.select_for_update(of=("self",), no_key=True)
        row = unused.filter(pk=task.pk, uploaded_at=None).exclude(state=TaskState.CANCELLED).first()
        if row is None:
            return False
        row.file, row.size, row.sha256 = stored, size, sha256
        row.uploaded_at, row.uploaded_from = now, remote_address[:100]
        row.file_name = row.file_name or fit_text(name.rsplit("/", 1)[-1], 255)
        row.state, row.detail, row.finished_at = TaskState.DONE, "", now
        row.save(
            update_fields=[
                "file", "size", "sha256", "uploaded_at", "uploaded_from", "file_name", "state", "detail", "finished_at",
            ]
        )  # fmt: skip
        outbox.tell(signals.task_changed, DiagnosticsTask, charge_point=task.charge_point, task=row)
    return True


def note_download(task: FirmwareTask, *, begins: bool) -> None:
    """The charge point fetches its firmware; a part from the middle goes on with a download that has begun."""
    changed = {"downloaded_at": timezone.now(), **({"downloads": F("downloads") + 1} if begins else {})}
    FirmwareTask.objects.filter(pk=task.pk).update(**changed)


def _remove(stored: str) -> None:
    with contextlib.suppress(OSError):
        private_files.delete(stored)
