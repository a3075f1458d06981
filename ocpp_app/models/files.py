"""Where files are kept that no web server may show: firmware, diagnostics, the development CA.

The storage is Django's, by the alias in OCPP_STORAGE; it is opened on first use, so that it can be set in a test.
"""

from typing import Any

from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed
from django.utils.functional import LazyObject, empty

from ocpp_app import conf


class PrivateFiles(LazyObject):
    """The storage of this alias; ``InvalidStorageError`` on first use where STORAGES does not have it."""

    def _setup(self) -> None:
        self._wrapped = storages[conf.storage()]


private_files: Any = PrivateFiles()


def get_private_files() -> Storage:
    """For ``FileField(storage=…)``: migrations name this function, not the storage."""
    return private_files  # type: ignore[no-any-return]


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting in ("OCPP_STORAGE", "STORAGES", "MEDIA_ROOT"):
        private_files._wrapped = empty


setting_changed.connect(_forget)
