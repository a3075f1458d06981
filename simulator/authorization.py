"""Who may charge, decided at the charge point: the local authorization list and the authorization cache (OCPP 1.6
§3.5).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from ocppj.v16 import AuthorizationData, AuthorizationStatus, IdTagInfo, UpdateStatus, UpdateType

CACHE_SIZE = 1000


def is_accepted(info: IdTagInfo, utc: datetime) -> bool:
    """Whether an entry lets its driver charge now."""
    if info.status != AuthorizationStatus.Accepted:
        return False
    return info.expiry_date is None or info.expiry_date > utc


@dataclass(slots=True)
class LocalList:
    """The local authorization list; only SendLocalList.req changes it (OCPP 1.6 §3.5.2)."""

    max_length: int
    version: int = 0
    entries: dict[str, IdTagInfo] = field(default_factory=dict)

    def get(self, id_tag: str) -> IdTagInfo | None:
        """The entry of a tag, whatever the case."""
        return self.entries.get(id_tag.casefold())

    def update(self, update_type: UpdateType, version: int, changes: list[AuthorizationData]) -> UpdateStatus:
        """What SendLocalList.req does (OCPP 1.6 §5.15); on any failure the list stays as it is."""
        id_tags = [change.id_tag.casefold() for change in changes]
        if version <= 0 or len(set(id_tags)) < len(id_tags):  # errata 3.52; §6.41: no duplicate values
            return UpdateStatus.Failed
        is_full = update_type == UpdateType.Full
        if is_full and any(change.id_tag_info is None for change in changes):
            return UpdateStatus.Failed
        if not is_full and version <= self.version:
            return UpdateStatus.VersionMismatch
        entries = {} if is_full else dict(self.entries)
        for id_tag, change in zip(id_tags, changes, strict=True):
            if change.id_tag_info is None:
                entries.pop(id_tag, None)
            else:
                entries[id_tag] = change.id_tag_info
        if len(entries) > self.max_length:
            return UpdateStatus.Failed
        self.entries, self.version = entries, version
        return UpdateStatus.Accepted

    @property
    def reported_version(self) -> int:
        """What GetLocalListVersion.conf says: 0 for an empty list (OCPP 1.6 §5.10)."""
        return self.version if self.entries else 0


class Cache:
    """The authorization cache: what the central system said last about a tag (OCPP 1.6 §3.5.1)."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, IdTagInfo] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, id_tag: str) -> IdTagInfo | None:
        """The entry of a tag, whatever the case."""
        return self._entries.get(id_tag.casefold())

    def put(self, id_tag: str, info: IdTagInfo) -> None:
        """Remember what a .conf said; a full cache first forgets a tag that is not accepted, then the oldest."""
        key = id_tag.casefold()
        self._entries.pop(key, None)
        if len(self._entries) >= CACHE_SIZE:
            rejected = (tag for tag, known in self._entries.items() if known.status != AuthorizationStatus.Accepted)
            del self._entries[next(rejected, next(iter(self._entries)))]
        self._entries[key] = info

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
