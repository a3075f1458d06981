"""What is written into the audit log by itself: changes of the rows that people decide on, and who signs in.

What changes rows past ``save`` (``QuerySet.update``, ``bulk_create``) calls ``audit.record`` itself.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from ocpp_app import audit
from ocpp_app.access import organisation_id_of
from ocpp_app.models import (
    ApiToken,
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    ConfigurationTemplate,
    Firmware,
    IdTag,
    Membership,
    Organisation,
    ProfileAssignment,
    Site,
    Tariff,
    TariffWindow,
    TemplateValue,
    WebhookSubscription,
)

AUDITED: tuple[type[models.Model], ...] = (
    ApiToken,
    ChargePoint,
    ChargePointGroup,
    ChargingProfile,
    ConfigurationTemplate,
    Firmware,
    IdTag,
    Membership,
    Organisation,
    ProfileAssignment,
    Site,
    Tariff,
    TariffWindow,
    TemplateValue,
    WebhookSubscription,
)
"""And the users."""
NOBODY_DECIDES = frozenset(
    {
        "id", "created_at", "last_used_at", "last_login", "date_joined", "key", "hint", "next_authorization_key",
        "is_settled",
        # a webhook by itself
        "failures", "paused_until", "last_success_at", "previous_salt", "previous_until",
        # what a charge point says of itself
        "vendor", "model", "serial_number", "charge_box_serial_number", "firmware_version", "iccid", "imsi",
        "meter_type", "meter_serial_number", "diagnostics_status", "firmware_status", "session_id", "protocol",
        "last_seen_at", "last_boot_at",
    }
)  # fmt: skip
SECRET = frozenset({"password", "authorization_key", "digest", "secret_salt"})
"""Of these the log says that they changed, and nothing else."""
_BEFORE = "_audited_before"


def connect() -> None:
    """Watch the models; called once, when the app is ready."""
    for model in (*AUDITED, get_user_model()):
        pre_save.connect(_remember, sender=model, dispatch_uid=f"ocpp_audit_{model.__name__}")
        post_save.connect(_note_saved, sender=model, dispatch_uid=f"ocpp_audit_{model.__name__}")
        post_delete.connect(_note_deleted, sender=model, dispatch_uid=f"ocpp_audit_{model.__name__}")
        for field in model._meta.local_many_to_many:
            through: Any = getattr(model, field.name).through
            m2m_changed.connect(_note_links, sender=through, dispatch_uid=f"ocpp_audit_{through.__name__}")
    user_logged_in.connect(_note_login, dispatch_uid="ocpp_audit_login")
    user_logged_out.connect(_note_logout, dispatch_uid="ocpp_audit_logout")


def _columns(model: type[models.Model]) -> tuple[str, ...]:
    """What is watched of a model."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname not in NOBODY_DECIDES)


def _remember(sender: type[models.Model], instance: Any, raw: bool = False, **kwargs: Any) -> None:
    setattr(instance, _BEFORE, None)
    if raw or instance._state.adding:
        return
    only = kwargs.get("update_fields")
    fields = sender._meta.concrete_fields
    columns = [
        field.attname
        for field in fields
        if field.attname in _columns(sender) and (only is None or field.name in only or field.attname in only)
    ]
    if columns:
        setattr(instance, _BEFORE, sender._base_manager.filter(pk=instance.pk).values(*columns).first())


def _note_saved(sender: type[models.Model], instance: Any, created: bool, raw: bool = False, **_kwargs: Any) -> None:
    before, name = getattr(instance, _BEFORE, None), sender.__name__
    if raw or (before is None and not created) or (created and getattr(instance, "is_default", False)):
        return  # the default organisation is made by a migration, before there is a log
    if before is None:
        _record(f"{name} added", instance, ", ".join(_described(instance)))
        return
    changes = [
        f"{column}: changed" if column in SECRET else f"{column}: {old} → {getattr(instance, column)}"
        for column, old in before.items()
        if old != getattr(instance, column)
    ]
    if changes:
        _record(f"{name} changed", instance, ", ".join(changes))


def _described(instance: Any) -> Iterable[str]:
    for column in _columns(type(instance)):
        value = getattr(instance, column)
        if value not in (None, "") and column not in SECRET:
            yield f"{column}: {value}"


def _note_deleted(sender: type[models.Model], instance: Any, origin: Any = None, **_kwargs: Any) -> None:
    asked_for = origin.model if isinstance(origin, models.QuerySet) else type(origin)
    if asked_for is sender:  # what went along with something else is in the entry of that
        _record(f"{sender.__name__} deleted", instance, ", ".join(_described(instance)), is_gone=True)


def _note_links(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_kwargs: Any
) -> None:
    if action not in ("post_add", "post_remove", "pre_clear") or (action != "pre_clear" and not pk_set):
        return
    verb = {"post_add": "added", "post_remove": "removed", "pre_clear": "all removed"}[action]
    linked = model._base_manager.filter(pk__in=pk_set or ())
    detail = f"{model._meta.verbose_name_plural} {verb}: {', '.join(str(one) for one in linked)}".rstrip(": ")
    _record(f"{type(instance).__name__} changed", instance, detail)


def _record(action: str, instance: Any, detail: str, *, is_gone: bool = False) -> None:
    charge_point = instance if isinstance(instance, ChargePoint) and not is_gone else None
    audit.record(
        action,
        subject=_name_of(instance),
        detail=detail,
        charge_point=charge_point,
        organisation_id=None if is_gone and isinstance(instance, Organisation) else _organisation_id(instance),
    )


def _name_of(instance: Any) -> str:
    try:
        return str(instance)
    except (TypeError, ValueError):  # made with text where a time is meant: right only when it is read again
        return f"{type(instance).__name__} {instance.pk}"


def _organisation_id(instance: Any) -> int | None:
    try:
        return organisation_id_of(instance)
    except ImproperlyConfigured:
        return None  # a user belongs to none


def _note_login(sender: Any, request: Any, user: Any, **_kwargs: Any) -> None:
    audit.record("signed in", actor=user, subject=user.get_username())


def _note_logout(sender: Any, request: Any, user: Any, **_kwargs: Any) -> None:
    if user is not None:
        audit.record("signed out", actor=user, subject=user.get_username())
