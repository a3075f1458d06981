"""What every resource of the API is made of: confined to organisations, scoped, throttled, paged, with problems."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import Http404
from rest_framework import status, viewsets
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app.access import Access, organisation_id_of, visible
from ocpp_app.api import problems
from ocpp_app.api.authentication import AUTHENTICATION, access_of, is_authenticated
from ocpp_app.api.etags import check_if_match, etag_of
from ocpp_app.api.filters import Filters, NoFilters, narrow
from ocpp_app.api.pagination import Pages
from ocpp_app.api.parsers import StorableJSONParser
from ocpp_app.api.schema import ApiSchema
from ocpp_app.api.throttling import Throttle
from ocpp_app.command_access import Right
from ocpp_app.models import Scope
from ocpp_app.trespass import note_if_foreign

VERBS = {
    "GET": "view",
    "HEAD": "view",
    "OPTIONS": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


class Allowed(BasePermission):
    """The scope that a view asks for, in the organisation of the row; or the Django permission that fits."""

    message = "This needs the scope “{scope}” in the organisation, or the permission {permission}."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not is_authenticated(request):
            raise NotAuthenticated("Sign in, or send a token: Authorization: Bearer <token>.")
        return self._say(view, access_of(request).may_somewhere(view.scope, view.permission))

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        return self._say(view, access_of(request).may(view.scope, view.permission, organisation_id_of(obj)))

    def _say(self, view: Any, allowed: bool) -> bool:
        self.message = Allowed.message.format(scope=view.scope, permission=view.permission)
        return allowed


class Resource(viewsets.GenericViewSet):
    """Base of all views: whatever it reads goes through ``get_queryset``, which nobody overrides.

    A subclass says ``model``, ``rows`` (what to select with it), ``filters``, ``ordering`` and who may write.
    """

    authentication_classes = AUTHENTICATION
    permission_classes = [Allowed]
    throttle_classes = [Throttle]
    renderer_classes = [JSONRenderer]
    parser_classes = [StorableJSONParser]
    pagination_class = Pages
    schema = ApiSchema()

    model: type[Model]
    write_scope: Scope = Scope.ADMIN
    action_scopes: dict[str, Scope] = {}
    """The scope of an action that is not what its method suggests."""
    filters: type[Filters] = NoFilters
    search_fields: tuple[str, ...] = ()
    orderings: tuple[str, ...] = ()
    """What ``ordering`` may name: columns that are never null."""
    ordering: tuple[str, ...] = ("-pk",)
    etag_fields: tuple[str, ...] = ()

    # What an action of its own says to the schema, in the arguments of ``@action``.
    takes: Any = None
    """The serializer of its body."""
    gives: Any = None
    """The serializer of its answer, or a dict of them by status."""
    query: type[Filters] | None = None
    """Its query parameters."""
    operation = ""
    """Its operationId, where the method's name with the noun behind it would not do."""
    noun = ""
    plural = ""
    # The same of actions that have a standard name.
    operations: dict[str, str] = {}
    bodies: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    headers_taken: dict[str, dict[str, str]] = {}
    examples: dict[str, Any] = {}
    """A body for each action, for the schema."""
    missed: QuerySet[Any] | None = None
    """The rows of anybody that the present request asks for and does not see."""
    key = "<int:pk>"
    """How a row is named in an address."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.noun = vars(cls).get("noun") or (cls.model.__name__ if hasattr(cls, "model") else "")
        cls.plural = vars(cls).get("plural") or f"{cls.noun}s"
        if "get_queryset" in vars(cls) or "queryset" in vars(cls):
            raise TypeError(f"{cls.__name__}: override rows(); get_queryset confines them to organisations.")

    # -- who may --------------------------------------------------------------------------------------------------

    @property
    def scope(self) -> Scope:
        """What the present action asks for."""
        if self.action in self.action_scopes:
            return self.action_scopes[self.action]
        return Scope.READ if self.request.method in SAFE_METHODS else self.write_scope

    @property
    def permission(self) -> str:
        """The Django permission that stands in for it."""
        verb = VERBS.get(self.request.method or "", "view")
        if verb == "add" and self.action != "create":
            verb = "change"
        return f"ocpp_app.{verb}_{self.model._meta.model_name}"

    @property
    def access(self) -> Access:
        return access_of(self.request)

    def require(self, organisation_id: int | None, right: Right | None = None) -> None:
        """Refuse what the caller may not do in this organisation; for rows that are yet to be made. ``right``: what it
        asks for, where that is not the same for all that an action can do."""
        scope, permission = right or (self.scope, self.permission)
        if not self.access.may(scope, permission, organisation_id):
            self.permission_denied(self.request, Allowed.message.format(scope=scope, permission=permission))

    # -- what is there --------------------------------------------------------------------------------------------

    def rows(self) -> QuerySet:
        """All rows, with what the serializer needs; confined to organisations by ``get_queryset``."""
        return self.model._default_manager.all()

    def get_queryset(self) -> QuerySet:
        return visible(self.rows(), self.access)

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        return narrow(queryset, self.request, self.filters, self.search_fields)

    def get_object(self) -> Any:
        return self._object(self.get_queryset())

    def _object(self, rows: QuerySet) -> Any:
        value = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
        if "\0" in str(value):  # PostgreSQL takes none
            raise Http404
        row = rows.filter(**{self.lookup_field: value}).first()
        if row is None:
            self.missed = self.model._default_manager.filter(**{self.lookup_field: value})
            raise Http404
        self.check_object_permissions(self.request, row)
        return row

    def handle_exception(self, exc: Exception) -> Response:
        """Outside of the transaction that it has ended: what was asked for and not shown may be somebody else's."""
        if isinstance(exc, Http404) and self.missed is not None:
            note_if_foreign(self.request._request, self.missed)
        return super().handle_exception(exc)

    def get_exception_handler(self) -> Callable[..., Response]:
        return problems.handle

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "private, no-store")
        return response

    def shown(self, row: Model, code: int = status.HTTP_200_OK) -> Response:
        """One row as the answer, with its ETag."""
        fresh = self.get_queryset().get(pk=row.pk)
        headers = {"ETag": etag_of(fresh, self.etag_fields)} if self.etag_fields else {}
        return Response(self.get_serializer(fresh).data, status=code, headers=headers)


class Listed(Resource):
    """GET of the collection."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        assert page is not None
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class Shown(Resource):
    """GET of one."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        headers = {"ETag": etag_of(row, self.etag_fields)} if self.etag_fields else {}
        return Response(self.get_serializer(row).data, headers=headers)


class Created(Resource):
    """POST to the collection."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.require(serializer.validated_data["organisation"].pk)
        try:
            with transaction.atomic():
                row = serializer.save(**self.made_with())
        except IntegrityError as error:
            raise problems.Conflict("There is one with this name already.") from error
        return self.shown(row, status.HTTP_201_CREATED)

    def made_with(self) -> dict[str, Any]:
        """Values of a new row that the caller does not choose."""
        return {}


class Changed(Resource):
    """PATCH and DELETE of one; If-Match is honoured."""

    def locked(self) -> Any:
        """The row, locked, as the caller expects it; inside a transaction."""
        row = self._object(self.get_queryset().select_for_update(of=("self",)))
        check_if_match(self.request, row, self.etag_fields)
        return row

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        try:
            with transaction.atomic():
                serializer = self.get_serializer(self.locked(), data=request.data, partial=True)
                serializer.is_valid(raise_exception=True)
                row = serializer.save()
        except IntegrityError as error:
            raise problems.Conflict("There is one with this name already.") from error
        return self.shown(row)


class Deleted(Changed):
    """DELETE of one that nothing else needs."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            row = self.locked()
            try:
                row.delete()
            except ProtectedError as error:
                kinds = {str(obj._meta.verbose_name_plural) for obj in error.protected_objects}
                raise problems.Conflict(f"It is still needed by: {', '.join(sorted(kinds))}.") from error
        return Response(status=status.HTTP_204_NO_CONTENT)
