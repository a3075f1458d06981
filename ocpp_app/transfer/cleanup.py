"""A file goes with its row, once that is committed: Django itself leaves it behind."""

import contextlib
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete

from ocpp_app.models import DiagnosticsTask, Firmware, private_files


def connect() -> None:
    for model in (Firmware, DiagnosticsTask):
        post_delete.connect(_forget_file, sender=model, dispatch_uid=f"ocpp_app.{model.__name__}.file")


def _forget_file(instance: Any, **_kwargs: Any) -> None:
    if instance.file:
        transaction.on_commit(partial(_remove, instance.file.name))


def _remove(name: str) -> None:
    with contextlib.suppress(OSError):  # it may be gone; what stays is no reason to fail
        private_files.delete(name)
