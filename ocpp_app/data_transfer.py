"""Handlers of vendor messages (DataTransfer, OCPP 1.6 §4.3), by (vendorId, messageId): the setting
OCPP_DATA_TRANSFER_HANDLERS."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from ocpp_app import conf
from ocppj.v16 import DataTransferStatus

Handler = Callable[[Any], Any]
"""Takes the ``OCPPRequest``; returns the answer's ``data`` (a string or None; the status is Accepted), a
``DataTransferResponse``, or an ``OCPPResponse`` with commands."""
Key = tuple[str, str | None]

SETTING = "OCPP_DATA_TRANSFER_HANDLERS"


def find(vendor_id: str, message_id: str | None) -> Handler | DataTransferStatus:
    """The handler of a vendor message, or the status that says why there is none.

    A key ``(vendorId, None)`` takes every message of the vendor that no other key names. Identifiers are compared
    without regard to case, as CiStrings are (§7.17, §7.18).
    """
    handlers = _handlers()
    vendor = vendor_id.casefold()
    for message in ((message_id or "").casefold() or None, None):
        if handler := handlers.get((vendor, message)):
            return handler
    knows_vendor = any(known == vendor for known, _message in handlers)
    return DataTransferStatus.UnknownMessageId if knows_vendor else DataTransferStatus.UnknownVendorId


def checked(handlers: Mapping[Any, Any]) -> dict[Key, Handler]:
    """The handlers, imported and by their key in lower case; raises ImproperlyConfigured, naming the first wrong
    one."""
    if not isinstance(handlers, Mapping):
        raise ImproperlyConfigured(f"{SETTING} is no mapping of (vendorId, messageId) to handlers.")
    return {_key(key): _handler(handler) for key, handler in handlers.items()}


def _key(key: Any) -> Key:
    match key:
        case (str() as vendor, str() | None as message) if vendor:
            return vendor.casefold(), message.casefold() if message else None
    raise ImproperlyConfigured(
        f"{SETTING} has the key {key!r}: use a pair such as ('com.example', 'GetTariff'), or ('com.example', None) "
        "for every other message of the vendor."
    )


def _handler(handler: Any) -> Handler:
    try:
        found = import_string(handler) if isinstance(handler, str) else handler
    except ImportError as error:
        raise ImproperlyConfigured(f"{SETTING} names {handler!r}, which cannot be imported: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(f"{SETTING} names {handler!r}, which cannot be called.")
    called: Handler = found
    return called


@cache
def _handlers() -> dict[Key, Handler]:
    return checked(conf.data_transfer_handlers())


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == SETTING:
        _handlers.cache_clear()


setting_changed.connect(_forget)
