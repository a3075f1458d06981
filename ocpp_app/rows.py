"""Model instances made in one go, where Django sets one field after the other: what a worker makes of every frame.

What comes out is what Django makes (``tests/ocpp_app/test_rows.py``); a model of which somebody hears, or that has its
own way to be made, is left to Django.
"""

from functools import cache
from typing import Any, NamedTuple, TypeVar

from django.db import models
from django.db.models.base import ModelState
from django.db.models.signals import ModelSignal, post_init, pre_init

Row = TypeVar("Row", bound=models.Model)


def new(model: type[Row], **values: Any) -> Row:
    """``model(**values)``. Parents are instances that have their keys, or keys by the name of their column."""
    if not is_plain(model):
        return model(**values)
    plan = _plan(model)
    row = model.__new__(model)
    attributes = row.__dict__
    state = attributes["_state"] = ModelState()
    attributes.update(plan.defaults)
    attributes.update(values)
    for name in plan.parents.keys() & values.keys():
        parent = attributes.pop(name)
        column, key = plan.parents[name]
        attributes[column] = None if parent is None else getattr(parent, key)
        state.fields_cache[name] = parent
    for name, make in plan.makers:
        if name not in attributes:
            attributes[name] = make()
    return row


def loaded(model: type[Row], values: dict[str, Any], alias: str) -> Row:
    """What ``Model.from_db`` makes of a whole row, which keeps the ``values``; only for a model that ``is_plain``."""
    row = model.__new__(model)
    row.__dict__ = values
    state = row._state = ModelState()
    state.adding, state.db = False, alias
    return row


def is_plain(model: type[models.Model]) -> bool:
    """Whether nobody looks on, or has a say, while an instance is made."""
    return _is_made_by_django(model) and not (_is_heard(pre_init, model) or _is_heard(post_init, model))


@cache
def _is_made_by_django(model: type[models.Model]) -> bool:
    own, django = model.from_db.__func__, models.Model.from_db.__func__  # type: ignore[attr-defined]
    return model.__init__ is models.Model.__init__ and own is django


def _is_heard(signal: ModelSignal, model: type[models.Model]) -> bool:
    return bool(signal.receivers) and signal.has_listeners(model)


class _Plan(NamedTuple):
    """How an instance of one model begins."""

    defaults: dict[str, Any]
    makers: tuple[tuple[str, Any], ...]
    """Those defaults that are made anew for each instance."""
    parents: dict[str, tuple[str, str]]
    """Foreign keys: the name of each, that of its column's value, and that of the parent's key."""


@cache
def _plan(model: type[models.Model]) -> _Plan:
    fields: Any = model._meta.concrete_fields
    made = [field for field in fields if field.has_default() and callable(field.default)]
    made += [field for field in fields if field.has_db_default() and field not in made]
    return _Plan(
        {field.attname: field.get_default() for field in fields if field not in made},
        tuple((field.attname, field.get_default) for field in made),
        {field.name: (field.attname, field.target_field.attname) for field in fields if field.is_relation},
    )
