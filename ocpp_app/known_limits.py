"""What charge points have said of themselves in their configuration keys, as far as lists and caches ask for it."""

from collections.abc import Iterable

from ocpp_app.models import ConfigurationKey, name_of


def texts(charge_point_ids: Iterable[int], *keys: str) -> dict[tuple[int, str], str]:
    """The values of these configuration keys, by charge point and key; what is not known is missing."""
    names = {name_of(key): key for key in keys}
    rows = ConfigurationKey.objects.filter(
        charge_point__in=list(charge_point_ids), name__in=names, is_known=True, value__isnull=False
    )
    return {(pk, names[name]): value or "" for pk, name, value in rows.values_list("charge_point", "name", "value")}


def integers(charge_point_ids: Iterable[int], *keys: str) -> dict[tuple[int, str], int]:
    """The same of keys whose value is a positive integer."""
    found = texts(charge_point_ids, *keys)
    return {place: int(text) for place, text in found.items() if text.strip().isdecimal() and int(text) > 0}
