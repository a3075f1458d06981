"""Charge points and connectors go when no worker is writing for them.

What is written for every frame has no foreign key in the database (migration 0028): who writes it has locked the charge
point, as has who deletes one, before it is looked for what goes with it.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models, router, transaction


class Deletable(models.Model):
    """A charge point, or what belongs to one."""

    class Rows(models.QuerySet):
        """Several of them."""

        def delete(self) -> tuple[int, dict[str, int]]:
            with transaction.atomic(using=self.db):
                model: Any = self.model
                _lock(model, self.values(model.lock), self.db)
                return super().delete()

        delete.alters_data = True  # type: ignore[attr-defined]
        delete.queryset_only = True  # type: ignore[attr-defined]

    lock: str
    """The field with the charge point."""
    objects = Rows.as_manager()

    class Meta:
        abstract = True

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        alias = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=alias):
            _lock(type(self), [self.serializable_value(self.lock)], alias)
            return super().delete(using=alias, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


def _lock(model: Any, charge_points: Iterable[Any], alias: str) -> None:
    """Lock charge points in the order in which workers do."""
    owner = model if model.lock == "pk" else model._meta.get_field(model.lock).related_model
    list(owner._base_manager.using(alias).select_for_update().filter(pk__in=charge_points).order_by("pk"))
