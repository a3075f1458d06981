"""``/charge-points/{identity}/local-list/``: which idTags a charge point is to let in while it is offline, and has."""

from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from ocpp_app import local_lists
from ocpp_app.api.charge_points import OfChargePoint, charge_point_of
from ocpp_app.api.etags import check_if_match, etag_of
from ocpp_app.api.fields import ConfinedKey
from ocpp_app.api.filters import Filters
from ocpp_app.api.resource import Resource
from ocpp_app.local_list_entries import Entry
from ocpp_app.models import IdTag, LocalList, LocalListEntry, Scope, key_of

WRITABLE = ("selection", "tags")


class LocalListSerializer(serializers.ModelSerializer):
    charge_point: Any = serializers.SlugRelatedField("identity", read_only=True)
    tags = ConfinedKey(
        queryset=IdTag.objects.all(),
        many=True,
        required=False,
        help_text="The chosen idTags (their ids); they count while `selection` is `chosen`.",
    )
    entry_count = serializers.SerializerMethodField(help_text="How many idTags the charge point has on its list.")

    class Meta:
        model = LocalList
        fields = (
            "charge_point",
            *WRITABLE,
            "state",
            "detail",
            "version",
            "entry_count",
            "wanted_count",
            "omitted_count",
            "changed_at",
            "reported_version",
            "reported_at",
            "attempts",
            "retry_at",
        )
        read_only_fields = tuple(name for name in fields if name not in WRITABLE)

    def get_entry_count(self, row: Any) -> int:
        return getattr(row, "entry_count", 0)

    def validate_tags(self, tags: list[IdTag]) -> list[IdTag]:
        owner = self.instance.charge_point.organisation_id if isinstance(self.instance, LocalList) else None
        if any(tag.organisation_id != owner for tag in tags):
            raise serializers.ValidationError("It belongs to another organisation than the charge point.")
        return tags


class OfLocalList(Resource):
    """What there is one of at each charge point."""

    model = LocalList
    write_scope = Scope.OPERATE

    def rows(self) -> QuerySet:
        return LocalList.objects.select_related("charge_point").annotate(entry_count=Count("entries"))

    def local_list(self) -> LocalList:
        """The charge point's list; one that nobody has asked for yet is off, and not in the database."""
        charge_point = charge_point_of(self)
        self.require(charge_point.organisation_id)
        found: LocalList | None = self.get_queryset().filter(charge_point=charge_point).first()
        return found or LocalList(charge_point=charge_point)


class LocalLists(OfLocalList):
    """The local authorization list of a charge point."""

    serializer_class = LocalListSerializer
    etag_fields = WRITABLE
    examples = {"partial_update": {"selection": "chosen", "tags": [1, 2]}}

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """What it is to have and has; `state` compares the two."""
        return self._answer(self.local_list())

    def partial_update(self, request: Request, **kwargs: Any) -> Response:
        """Say which idTags it is to have. It is sent what is missing within seconds, or when it connects."""
        before = self.local_list()
        if not before._state.adding:
            check_if_match(request, before, WRITABLE)
        serializer = self.get_serializer(before, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        selection = serializer.validated_data.get("selection", before.selection)
        with transaction.atomic():
            local_lists.keep_local_list(before.charge_point, selection, tags=serializer.validated_data.get("tags"))
        return self._answer(self.local_list())

    def _answer(self, row: LocalList) -> Response:
        headers = {} if row._state.adding else {"ETag": etag_of(row, WRITABLE)}
        return Response(self.get_serializer(row).data, headers=headers)


class SentAgain(OfLocalList):
    """The whole list anew."""

    serializer_class = LocalListSerializer
    gives = {202: LocalListSerializer}
    operation = "resendLocalList"

    def send_again(self, request: Request, **kwargs: Any) -> Response:
        """Send the whole list anew, also to a charge point that could not take it or keeps none."""
        row = self.local_list()
        if not row._state.adding:
            local_lists.send_again(row)
        return Response(self.get_serializer(row).data, status=status.HTTP_202_ACCEPTED)


# -- what is on it ---------------------------------------------------------------------------------------------


class LocalListEntrySerializer(serializers.ModelSerializer):
    class Meta:
        model = LocalListEntry
        fields = ("id_tag", "status", "expires_at", "parent_id_tag")


class EntryFilters(Filters):
    id_tag = serializers.CharField(required=False, help_text="Exactly this one; upper and lower case are the same.")
    status = serializers.CharField(required=False, help_text="AuthorizationStatus: Accepted, Blocked …")

    def narrow(self, rows: QuerySet) -> QuerySet:
        values = dict(self.validated_data)
        if "id_tag" in values:
            values["key"] = key_of(values.pop("id_tag"))
        return rows.filter(**values)


class LocalListEntries(OfChargePoint):
    """The idTags that the charge point has on its list, as it accepted them."""

    model = LocalListEntry
    noun, plural = "LocalListEntry", "LocalListEntries"
    serializer_class = LocalListEntrySerializer
    to_charge_point = "local_list__charge_point"
    filters = EntryFilters
    ordering = ("key", "pk")


class SideSerializer(serializers.Serializer):
    """An idTag on one side."""

    status = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    parent_id_tag = serializers.CharField(allow_blank=True)


class DifferenceSerializer(serializers.Serializer):
    """An idTag that is not on both sides, or not the same on both."""

    id_tag = serializers.CharField()
    has = SideSerializer(allow_null=True, help_text="What the charge point has; null: it has it not.")
    wanted = SideSerializer(allow_null=True, help_text="What it is to have; null: it is not to have it.")


class DifferencesSerializer(serializers.Serializer):
    """Where the list of a charge point is not as it is to be."""

    differences = DifferenceSerializer(many=True)


class LocalListDifferences(OfLocalList):
    """Where the two differ."""

    noun = "LocalListDifferences"
    serializer_class = DifferencesSerializer

    def retrieve(self, request: Request, **kwargs: Any) -> Response:
        """The idTags that it has and is not to have, is to have and has not, or has otherwise."""
        row = self.local_list()
        found = [] if row._state.adding else local_lists.compare(row)
        shown = [{"id_tag": _name(key, has, goal), "has": has, "wanted": goal} for key, has, goal in found]
        return Response(DifferencesSerializer({"differences": shown}).data)


def _name(key: str, has: Entry | None, goal: Entry | None) -> str:
    known = goal or has
    return key if known is None else known.id_tag
