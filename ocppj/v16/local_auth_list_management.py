"""The Local Auth List Management profile of OCPP 1.6 (§3.3): the list by which a charge point authorizes while
offline."""

from collections.abc import Iterator
from typing import Annotated

from ocppj.messages import Integer, Request, Response, never
from ocppj.v16.datatypes import AuthorizationData
from ocppj.v16.enums import Action, UpdateStatus, UpdateType


class GetLocalListVersionResponse(Response):
    """GetLocalListVersion.conf (OCPP 1.6 §6.28), sent by the Charge Point."""

    action = Action.GetLocalListVersion

    list_version: Integer
    """Version of the local authorization list; 0: it is empty, -1: the Charge Point supports none (§5.10)."""


class GetLocalListVersionRequest(Request):
    """GetLocalListVersion.req (OCPP 1.6 §6.27), sent by the Central System. No fields."""

    action = Action.GetLocalListVersion
    response = GetLocalListVersionResponse


class SendLocalListResponse(Response):
    """SendLocalList.conf (OCPP 1.6 §6.42), sent by the Charge Point."""

    action = Action.SendLocalList

    status: UpdateStatus
    """Whether the Charge Point has received and applied the update of the local authorization list."""


class SendLocalListRequest(Request):
    """SendLocalList.req (OCPP 1.6 §6.41), sent by the Central System."""

    action = Action.SendLocalList
    response = SendLocalListResponse

    list_version: Annotated[Integer, never(-1, 0)]
    """Version of the list after the update; never 0 or -1, which have a meaning of their own (errata 3.52)."""
    update_type: UpdateType
    """Full replaces the list, Differential changes it."""
    local_authorization_list: list[AuthorizationData] | None = None
    """The new list or the changes to it, each idTag once; at most SendLocalListMaxLength of the Charge Point."""

    def broken_rules(self) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for index, entry in enumerate(self.local_authorization_list or ()):
            path = f"localAuthorizationList[{index}]"
            if entry.id_tag.casefold() in seen:
                yield f"{path}.idTag", "each idTag only once (OCPP 1.6 §6.41)"
            if entry.id_tag_info is None and self.update_type == UpdateType.Full:
                yield f"{path}.idTagInfo", "required in a Full update (OCPP 1.6 §7.1)"
            seen.add(entry.id_tag.casefold())
