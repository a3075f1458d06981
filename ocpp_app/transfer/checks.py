"""System checks of what files and certificates need."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.http.request import validate_host

from ocpp_app import conf, signers

DEVELOPMENT_CA = "ocpp_app.signers.DevelopmentCA"


@register()
def check_transfer_url(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_TRANSFER_URL is an address of this web server that charge points can use."""
    url = conf.transfer_url()
    if not url:
        return []
    parts = urlsplit(url)
    hint = "Such as https://csms.example.com/transfer/: as charge points see ocpp_app.transfer.urls."
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        return [Error(f"OCPP_TRANSFER_URL is {url!r}.", hint=hint, id="ocpp_app.E020")]
    allowed = settings.ALLOWED_HOSTS or [".localhost", "127.0.0.1", "[::1]"]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not settings.DEBUG and not validate_host(host, allowed):
        hint = f"Add {host!r} to ALLOWED_HOSTS, or uploads and downloads are answered with 400."
        return [Warning(f"The host of OCPP_TRANSFER_URL, {host}, is not allowed.", hint=hint, id="ocpp_app.W020")]
    return []


@register()
def check_storage(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """The storage for firmware and diagnostics exists, and no web server shows it."""
    alias = conf.storage()
    try:
        storage = storages[alias]
    except InvalidStorageError:
        hint = f"Add STORAGES[{alias!r}], such as a FileSystemStorage whose location no web server shows."
        text = f"OCPP_STORAGE is {alias!r}, which is not in STORAGES: no firmware, diagnostics or certificates."
        return [Warning(text, hint=hint, id="ocpp_app.W021")]
    if isinstance(storage, FileSystemStorage):
        location = Path(storage.location).resolve()
        for name in ("MEDIA_ROOT", "STATIC_ROOT"):
            public = getattr(settings, name, None)
            if public and location.is_relative_to(Path(public).resolve()):
                hint = "What charge points upload must not be shown by a web server: choose another location."
                return [Error(f"STORAGES[{alias!r}] lies within {name}.", hint=hint, id="ocpp_app.E021")]
    return []


@register()
def check_signer(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """OCPP_CERTIFICATE_SIGNER names a class that can be made."""
    try:
        signers.signer()
    except ImproperlyConfigured as error:
        hint = "A class without arguments that has sign(csr, charge_point); see docs/certificates.md. Empty: none."
        return [Error(str(error), hint=hint, id="ocpp_app.E022")]
    return []


@register(Tags.security, deploy=True)
def check_development_ca(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """A fleet's certificates come from an authority whose key is protected."""
    if conf.certificate_signer() != DEVELOPMENT_CA:
        return []
    hint = "Name a signer of your own in OCPP_CERTIFICATE_SIGNER, or leave it empty."
    text = "Charge point certificates are signed by the development CA, whose key is an unencrypted file."
    return [Warning(text, hint=hint, id="ocpp_app.W022")]
