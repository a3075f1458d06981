"""Local authorization lists (OCPP 1.6 §3.5.2): decided here; ``local_list_rules`` brings charge points up to date.

keep_local_list("CP001", ListSelection.ALL)
keep_local_list("CP002", ListSelection.CHOSEN, tags=[tag])
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from ocpp_app.commands import load
from ocpp_app.local_list_entries import Entry, present, wanted
from ocpp_app.models import ChargePoint, IdTag, ListSelection, ListState, LocalList


def keep_local_list(
    charge_point: str | ChargePoint, selection: ListSelection, *, tags: Iterable[IdTag] | None = None
) -> LocalList:
    """Say which idTags a charge point's list is to have; housekeeping sends it some seconds later, or when the charge
    point connects.

    ``tags``: the chosen ones, None leaves them as they are. Raises ``UnknownChargePoint``, and ``ValueError`` for a tag
    of another organisation.
    """
    target = load(charge_point)
    chosen = None if tags is None else list(tags)
    if any(tag.organisation_id != target.organisation_id for tag in chosen or ()):
        raise ValueError("A local list has only idTags of the charge point's own organisation.")
    with transaction.atomic():
        row, _created = LocalList.objects.get_or_create(charge_point=target)
        row.selection = selection
        row.save(update_fields=["selection"])
        if chosen is not None:
            row.tags.set(chosen)
        note_selection(row)
    return row


def note_selection(row: LocalList) -> None:
    """Compare the list anew, because its selection has changed: what had failed is tried again at once."""
    values: dict[str, Any] = {"state": ListState.UNKNOWN, "detail": "", "attempts": 0, "retry_at": None}
    _update(row, values)


def send_again(row: LocalList) -> None:
    """Send the whole list anew, also to a charge point that could not take it or keeps none."""
    values: dict[str, Any] = {"needs_full": True, "synced_digest": "", "checked_at": None}
    _update(row, {**values, "state": ListState.UNKNOWN, "detail": "", "attempts": 0, "retry_at": None})


def compare(row: LocalList) -> list[tuple[str, Entry | None, Entry | None]]:
    """Where the charge point's list is not as it is to be: the idTag's key, what it has, and what it is to have."""
    has, goal = present(row), wanted([row], timezone.now())[row.charge_point_id].entries
    if not row.is_kept:
        goal = has
    keys = sorted(has.keys() | goal.keys())
    return [(key, has.get(key), goal.get(key)) for key in keys if has.get(key) != goal.get(key)]


def _update(row: LocalList, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    LocalList.objects.filter(pk=row.pk).update(**values)
