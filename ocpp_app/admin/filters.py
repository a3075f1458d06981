"""Filters whose list of choices stays short, however many rows there are."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

FEW = 50
"""More choices than this are no list to choose from; the search finds them."""


class ChoiceFilter(admin.SimpleListFilter):
    """A fixed list of choices: ``options`` maps the value in the address to its words and its condition."""

    options: dict[str, tuple[Any, Q]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(value, words) for value, (words, _condition) in self.options.items()]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        option = self.options.get(self.value() or "")
        return queryset if option is None else queryset.filter(option[1])


def known_values(field: str, title: Any, values: Iterable[str]) -> type[ChoiceFilter]:
    """A filter by the values that the specification knows, not by a DISTINCT over all rows."""
    options = {value: (value, Q((field, value))) for value in values}
    return type("KnownValuesFilter", (ChoiceFilter,), {"title": title, "parameter_name": field, "options": options})


def _guarded(find: Callable[[], Any]) -> Any:
    """What ``find`` finds; a value in the address that cannot be one takes the filters off."""
    try:
        return find()
    except (ValueError, ValidationError) as error:
        raise IncorrectLookupParameters(error) from error


class LinkedFilter(admin.SimpleListFilter):
    """The rows of one object, by a link on its page; shown only while it is in force, so that it can be taken off."""

    of: type[models.Model]
    path: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        if self.value() is None:
            return ()
        chosen = _guarded(lambda: self.of._base_manager.filter(pk=self.value()).first())
        return ((self.value(), chosen or self.value()),)

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> Any:
        if self.value() is None:
            return queryset
        return _guarded(lambda: queryset.filter((f"{self.path}__pk", self.value())))


def linked(name: str, of: type[models.Model], path: str | None = None) -> type[LinkedFilter]:
    """A ``LinkedFilter`` under ``?name=<primary key>`` by the relation ``path`` (default: ``name``)."""
    attributes = {"title": of._meta.verbose_name, "parameter_name": name, "of": of, "path": path or name}
    return type("LinkedFilter", (LinkedFilter,), attributes)


class FewRelatedFilter(admin.RelatedFieldListFilter):
    """A filter by a related object while there are few of them; of many, only the chosen one is shown."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        ordering = self.field_admin_ordering(field, request, model_admin)
        rows = field.remote_field.model._default_manager.order_by(*ordering)
        few = list(rows[: FEW + 1])
        if len(few) > FEW:
            few = _guarded(lambda: list(rows.filter(pk__in=self.lookup_val or [])))
        return [(row.pk, str(row)) for row in few]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > (0 if self.lookup_val else 1)


class FewValuesFilter(admin.SimpleListFilter):
    """A filter by the values that a text column has, while they are few; of many, only the chosen one is shown."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        column = str(self.parameter_name)
        values = (
            model_admin.model._default_manager.exclude(**{column: ""}).order_by(column).values_list(column, flat=True)
        )
        few = list(values.distinct()[: FEW + 1])
        if len(few) > FEW:
            few = [self.value()] if self.value() else []
        return [(value, value) for value in few]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset if self.value() is None else queryset.filter((self.parameter_name, self.value()))


def few_values(column: str, title: Any) -> type[FewValuesFilter]:
    """A ``FewValuesFilter`` by ``column``."""
    return type("FewValuesFilter", (FewValuesFilter,), {"title": title, "parameter_name": column})


YES_NO = (("yes", _("Yes")), ("no", _("No")))


def yes_no(name: str, title: Any, condition: Q) -> type[ChoiceFilter]:
    """Rows that fulfil ``condition``, or those that do not."""
    conditions = {"yes": condition, "no": ~condition}
    options = {value: (words, conditions[value]) for value, words in YES_NO}
    return type("YesNoFilter", (ChoiceFilter,), {"title": title, "parameter_name": name, "options": options})
