"""How many rows belong to a row of a list."""

from django.db import models
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce


def count_of(model: type[models.Model], relation: str, **conditions: object) -> Coalesce:
    """The number of rows of ``model`` whose ``relation`` is the row.

    Reckoned for the rows of one page only; a join with GROUP BY would be for all.
    """
    rows = model._base_manager.filter(**{relation: OuterRef("pk")}, **conditions).order_by().annotate(of=F(relation))
    return Coalesce(Subquery(rows.values("of").annotate(count=Count("pk")).values("count")), 0)
