"""Who sees and may do what: the one place where rows are confined to organisations.

The API and the console ask here and nowhere else: ``access_of_user`` and ``access_of_token`` say what somebody may do,
``visible`` confines a queryset to it. A model that has no way to an organisation cannot be shown at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import QuerySet

from ocpp_app.models import ApiToken, Membership, Organisation, Role, Scope

OWNERS = (
    "organisation",
    "charge_point",
    "connector",
    "transaction",
    "command",
    "subscription",
    "local_list",
    "tariff",
    "template",
    "charging_profile",
)
"""By which of its foreign keys a row belongs to an organisation; the first that a model has counts."""

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Access:
    """What somebody may do, in which organisations.

    ``scopes``: the scope in each organisation. ``everywhere``: a superuser. ``user`` widens the scope by the Django
    permissions that its groups give, within its organisations, up to ``ceiling`` (that of its token).
    """

    scopes: Mapping[int, Scope] = field(default_factory=dict)
    everywhere: bool = False
    user: Any = None
    ceiling: Scope = Scope.ADMIN

    def organisations(self) -> list[int] | None:
        """The keys of the organisations that it may look at; None: all of them."""
        return None if self.everywhere else sorted(self.scopes)

    def may(self, scope: Scope, permission: str, organisation_id: int | None) -> bool:
        """Whether it may do, in this organisation, what asks for ``scope`` or for a Django permission (ocpp_app.…)."""
        if self.everywhere:
            return True
        own = self.scopes.get(organisation_id) if organisation_id is not None else None
        return own is not None and (own.includes(scope) or self._is_permitted(scope, permission))

    def may_somewhere(self, scope: Scope, permission: str) -> bool:
        """Whether there is an organisation in which it may."""
        return self.everywhere or any(self.may(scope, permission, key) for key in self.scopes)

    def _is_permitted(self, scope: Scope, permission: str) -> bool:
        return self.user is not None and self.ceiling.includes(scope) and self.user.has_perm(permission)


def access_of_user(user: Any) -> Access:
    """What a signed-in user may do: everything as a superuser, else what the memberships say."""
    if not user.is_active:
        return Access()
    if user.is_superuser:
        return Access(everywhere=True, user=user)
    roles = Membership.objects.filter(user=user).values_list("organisation_id", "role")
    return Access({organisation_id: Role(role).scope for organisation_id, role in roles}, user=user)


def access_of_token(token: ApiToken) -> Access:
    """What a token may do: its scope in its organisation, and no more than its user, if it has one."""
    ceiling = Scope(token.scope)
    if token.user is None:
        return Access({token.organisation_id: ceiling})
    of_user = access_of_user(token.user)
    own = Scope.ADMIN if of_user.everywhere else of_user.scopes.get(token.organisation_id)
    if own is None:
        return Access()
    scope = min(own, ceiling, key=lambda scope: scope.rank)
    return Access({token.organisation_id: scope}, user=token.user, ceiling=ceiling)


def visible(rows: QuerySet[Row], access: Access) -> QuerySet[Row]:
    """Of these rows, those of the organisations that ``access`` may look at."""
    organisations = access.organisations()
    path = path_to_organisation(rows.model)
    if organisations is None:
        return rows
    if len(organisations) == 1:  # an index that begins with the organisation also orders; of several it does not
        return rows.filter(**{path: organisations[0]})
    return rows.filter(**{f"{path}__in": organisations})


def organisation_id_of(row: models.Model) -> int | None:
    """The organisation that a row belongs to."""
    value: Any = row
    for name in path_to_organisation(type(row)).split("__"):
        value = getattr(value, name)
    return None if value is None else int(value)


@cache
def path_to_organisation(model: type[models.Model]) -> str:
    """The lookup from a row to its organisation's key; ``ImproperlyConfigured`` where there is none."""
    if model is Organisation:
        return "pk"
    for name in OWNERS:
        owner = _foreign_model(model, name)
        if owner is Organisation:
            return f"{name}_id"
        if owner is not None:
            return f"{name}__{path_to_organisation(owner)}"
    raise ImproperlyConfigured(
        f"{model.__name__} belongs to no organisation: none of its foreign keys is called {', '.join(OWNERS)}. "
        "It cannot be shown to anybody."
    )


def _foreign_model(model: type[models.Model], name: str) -> type[models.Model] | None:
    for candidate in model._meta.concrete_fields:
        if candidate.name == name and candidate.is_relation:
            related = candidate.related_model
            return related if isinstance(related, type) and issubclass(related, models.Model) else None
    return None
