"""Lists in pages by cursor: as quick on the last page as on the first, and stable while rows come in."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination

from ocpp_app.api.filters import ordering


class Pages(CursorPagination):
    """50 rows a page, at most 500 (``page_size``); ``next`` and ``previous`` are URLs, null at the ends."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        return ordering(request, view.ordering, view.orderings)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, OverflowError):  # a cursor of another list, or made up
            raise NotFound(self.invalid_cursor_message) from None
