"""What a deletion takes with it, counted instead of listed.

Django's own confirmation page loads every row that would go: a charge point's millions of messages.
"""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import capfirst

from ocpp_app.admin.display import link

if TYPE_CHECKING:
    from ocpp_app.admin.base import Admin

SHOWN = 10
"""How many of the rows that forbid a deletion are named."""


def what_is_deleted(
    objs: list[models.Model], model_admin: "Admin", request: HttpRequest
) -> tuple[Any, Any, set[Any], list[Any]]:
    """For ``ModelAdmin.get_deleted_objects``: objects, counts by model, missing permissions, rows that forbid it.

    Evidence that belongs to a deleted charge point goes with it, although nobody may delete it by itself.
    """
    model = model_admin.model
    missing = {model._meta.verbose_name for obj in objs if not model_admin.has_delete_permission(request, obj)}
    counts: dict[Any, int] = {model._meta.verbose_name_plural: len(objs)}
    forbidding: dict[models.Model, None] = {}
    _follow(model._base_manager.filter(pk__in=[obj.pk for obj in objs]), counts, forbidding)
    return [_named(obj) for obj in objs], counts, missing, [_named(obj) for obj in forbidding]


def _follow(queryset: models.QuerySet, counts: dict[Any, int], forbidding: dict[models.Model, None]) -> None:
    for relation in queryset.model._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel) or relation.related_model._meta.auto_created:
            continue
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": queryset})
        if relation.on_delete in (models.PROTECT, models.RESTRICT):
            forbidding.update(dict.fromkeys(rows[:SHOWN]))
        elif relation.on_delete is models.CASCADE and (count := rows.count()):
            name = relation.related_model._meta.verbose_name_plural
            counts[name] = counts.get(name, 0) + count
            _follow(rows, counts, forbidding)


def _named(obj: models.Model) -> Any:
    return format_html("{}: {}", capfirst(obj._meta.verbose_name), link(obj))
