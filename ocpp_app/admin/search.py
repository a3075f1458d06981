"""Search and lists that stay quick over millions of rows.

The first word of a search is a charge point's identity, or its beginning, if there is such a charge point: an index
leads to its rows. Any other word is what the page itself looks for.
"""

from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _

from ocpp_app.admin.display import link
from ocpp_app.models import ChargePoint


class ChargePointSearchMixin(admin.ModelAdmin):
    """``charge_point_path`` leads from a row to its charge point; ``other`` says what else a word may mean."""

    charge_point_path: ClassVar[str] = "charge_point"
    search_fields: ClassVar[Any] = ("charge_point__identity",)  # not empty: shows the search box

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        for position, word in enumerate(words_of(search_term)):
            found = self.of_charge_point(word) if position == 0 else None
            queryset = queryset.filter(self.other(word) if found is None else found)
        return queryset, False

    def of_charge_point(self, word: str) -> Q | None:
        """The rows of the charge points that ``word`` names; None: it names none."""
        charge_points = named(word)
        return Q((f"{self.charge_point_path}__in", charge_points)) if charge_points.exists() else None

    @admin.display(description=ChargePoint._meta.verbose_name, ordering="charge_point__identity")
    def charge_point_link(self, obj: Any) -> str:
        return link(obj.charge_point)

    def other(self, word: str) -> Q:
        """The rows that ``word`` means when it is no charge point's identity: none."""
        return Q(pk__in=())


def named(word: str) -> QuerySet[ChargePoint]:
    """The charge point whose identity is ``word``, or else those whose identity begins so; in any case of letters."""
    exactly = ChargePoint.objects.filter(identity__iexact=word)
    return exactly if exactly.exists() else ChargePoint.objects.filter(identity__istartswith=word)


def words_of(search_term: str) -> list[str]:
    """The words of a search; quotes keep words together, as everywhere in Django's admin."""
    words = smart_split(search_term)
    return [unescape_string_literal(w) if w[0] in "\"'" and w[-1] == w[0] else w for w in words]


def integer(field: str, word: str) -> Q:
    """``field`` is the number ``word``; nothing if that is none."""
    return Q((field, int(word))) if word.isdecimal() else Q(pk__in=())


def uuid(field: str, word: str) -> Q:
    """``field`` is the UUID ``word``; nothing if that is none."""
    try:
        return Q((field, UUID(word)))
    except ValueError:
        return Q(pk__in=())


class BoundedPaginator(Paginator):
    """Counts no further than ``limit``, where the list ends: an exact COUNT(*) reads the whole table."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self.limit].count())


class WindowedChangeList(ChangeList):
    """Without a charge point, only the newest rows are looked at: no other filter has an index to lead it."""

    model_admin: "BigTableMixin"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        queryset = super().get_queryset(request, exclude_parameters)
        if self.model_admin.is_narrowed(request):
            return queryset
        newest = self.model._base_manager.order_by("-pk").values_list("pk", flat=True).first()
        return queryset.filter(pk__gt=(newest or 0) - self.model_admin.window)


class BoundedListMixin(ChargePointSearchMixin):
    """A list over a table that grows, of which nothing is counted to its end."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER


class BigTableMixin(BoundedListMixin):
    """A list over a table that grows by every message, its primary keys in the order of receipt."""

    window = 1_000_000
    few = 20
    time_column = "pk"
    narrowing_parameters: ClassVar[tuple[str, ...]] = ("charge_point",)
    search_help_text: ClassVar[Any] = _(
        "The identity of a charge point, or its beginning. "
        "Without one, only the newest 1,000,000 rows are looked at. At most 10,000 are listed."
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WindowedChangeList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # An index by charge point and time serves the rows of one charge point; the primary key serves those of all.
        return (f"-{self.time_column}", "-pk") if self.is_narrowed(request) else ("-pk",)

    def is_narrowed(self, request: HttpRequest) -> bool:
        """Whether the list is that of few charge points, of a connector or of a transaction."""
        if any(name in request.GET for name in self.narrowing_parameters):
            return True
        words = words_of(request.GET.get(SEARCH_VAR, ""))
        return bool(words) and 0 < named(words[0]).order_by()[: self.few + 1].count() <= self.few
