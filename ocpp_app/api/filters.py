"""The query parameters of a list, declared as a serializer: checked, documented, and turned into a filter."""

import operator
from collections.abc import Iterable
from functools import reduce
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

OF_EVERY_LIST = frozenset({"search", "ordering", "cursor", "page_size"})


class Filters(serializers.Serializer):
    """Each field is a query parameter; its ``source`` is the lookup. One that is not declared is an error, since a
    filter with a spelling mistake would show everything."""

    def narrow(self, rows: QuerySet) -> QuerySet:
        """The rows that fit all the parameters that were given."""
        return rows.filter(**self.validated_data)


class NoFilters(Filters):
    """A list that can only be paged."""


def narrow(rows: QuerySet, request: Request, filters: type[Filters], search_fields: Iterable[str]) -> QuerySet:
    """The rows that a request's query parameters ask for."""
    given = request.query_params
    allowed = {name for name in OF_EVERY_LIST if name != "search" or search_fields}
    unknown = sorted(set(given) - allowed - set(filters().fields))
    if unknown:
        known = ", ".join(sorted(allowed | set(filters().fields)))
        raise serializers.ValidationError(dict.fromkeys(unknown, f"There is no such parameter. There are: {known}."))
    values = filters(data={name: given[name] for name in given if name not in OF_EVERY_LIST})
    values.is_valid(raise_exception=True)
    return _search(values.narrow(rows), given.get("search", ""), search_fields)


def _search(rows: QuerySet, text: str, fields: Iterable[str]) -> QuerySet:
    if "\0" in text:
        raise serializers.ValidationError({"search": "Null characters are not allowed."})
    for word in text.split()[:10]:
        rows = rows.filter(reduce(operator.or_, (Q(**{f"{name}__icontains": word}) for name in fields)))
    return rows


def ordering(request: Request, default: tuple[str, ...], choices: Iterable[str]) -> tuple[str, ...]:
    """What ``ordering`` asks for, with the key behind it so that the order is the same every time."""
    wanted: Any = request.query_params.get("ordering")
    if not wanted:
        return default
    if wanted.removeprefix("-") not in choices:
        raise serializers.ValidationError(
            {"ordering": f"Order by one of: {', '.join(choices)}; '-' before it: downwards."}
        )
    return (wanted, "pk") if wanted.removeprefix("-") not in {"id", "pk"} else (wanted,)
