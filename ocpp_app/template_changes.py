"""Whoever changes a configuration template, or what it applies to: the charge points concerned are looked at soon.

Signals, because the admin, the API and a shell all do it, and none of them should have to think of it.
"""

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from ocpp_app import first_contact, inquiries
from ocpp_app.models import ChargePoint, ChargePointGroup, ConfigurationTemplate, TemplateValue


def _unsettle(template_ids: Any) -> None:
    ConfigurationTemplate.objects.filter(pk__in=template_ids).update(is_settled=False)


def _template_saved(instance: ConfigurationTemplate, **_kwargs: Any) -> None:
    _unsettle([instance.pk])


def _value_changed(instance: TemplateValue, **_kwargs: Any) -> None:
    _unsettle([instance.template_id])


def _applies_to_changed(instance: Any, reverse: bool, pk_set: set[int] | None, action: str, **_kwargs: Any) -> None:
    if not action.startswith("post_"):
        return
    _unsettle((pk_set or ()) if reverse else [instance.pk])


def _members_changed(instance: Any, reverse: bool, pk_set: set[int] | None, action: str, **_kwargs: Any) -> None:
    if not action.startswith("post_"):
        return
    members = ChargePoint.objects.filter(pk__in=(pk_set or ()) if reverse else [instance.pk])
    transaction.on_commit(partial(_look_at, members))


def _owner_deleted(instance: ConfigurationTemplate | ChargePointGroup, **_kwargs: Any) -> None:
    transaction.on_commit(partial(first_contact.look_at_all_of, instance.organisation_id))


def _look_at(charge_points: Any) -> None:
    inquiries.look_at(charge_points, timezone.now())


def connect() -> None:
    """Called once, when the app is ready."""
    post_save.connect(_template_saved, sender=ConfigurationTemplate)
    post_save.connect(_value_changed, sender=TemplateValue)
    post_delete.connect(_value_changed, sender=TemplateValue)
    post_delete.connect(_owner_deleted, sender=ConfigurationTemplate)
    post_delete.connect(_owner_deleted, sender=ChargePointGroup)
    m2m_changed.connect(_applies_to_changed, sender=ConfigurationTemplate.groups.through)
    m2m_changed.connect(_members_changed, sender=ChargePoint.groups.through)
