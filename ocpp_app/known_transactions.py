"""The transactions that a batch has read or made, to be found without a look at each of them."""

from collections import defaultdict
from collections.abc import Iterable

from ocpp_app.models import Transaction


class KnownTransactions:
    """The transactions that a batch knows, by what they are looked for, in the order in which they were found.

    One object for each row: what was changed in this batch must not be read afresh beside it.
    """

    def __init__(self, found: Iterable[Transaction]) -> None:
        self.by_id: dict[int, Transaction] = {}
        self.by_charge_point: dict[int, list[Transaction]] = defaultdict(list)
        self.by_tag: dict[int, list[Transaction]] = defaultdict(list)
        self.remember(found)

    def remember(self, found: Iterable[Transaction]) -> list[Transaction]:
        """The known objects of these rows, new ones among them."""
        return [self.by_id.get(row.id) or self._add(row) for row in found]

    def _add(self, row: Transaction) -> Transaction:
        self.by_id[row.id] = row
        self.by_charge_point[row.charge_point_id].append(row)
        if row.tag_id is not None:
            self.by_tag[row.tag_id].append(row)
        return row
