"""Sites and groups of charge points."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ocpp_app.admin.base import Admin
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import kilowatts, list_link
from ocpp_app.admin.filters import FewRelatedFilter
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.models import ChargePoint, ChargePointGroup, IdTag, Site


@admin.register(Site)
class SiteAdmin(Admin):
    list_display = ("name", "organisation", "address", "grid_limit", "charge_points")
    list_filter = (("organisation", FewRelatedFilter),)
    list_select_related = ("organisation",)
    search_fields = ("name", "address")
    form = SameOrganisationForm
    autocomplete_fields = ("organisation", "tariff")
    fields = ("organisation", "name", "address", "grid_limit_w", "tariff", "created_at")
    readonly_fields = ("created_at",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(charge_point_count=count_of(ChargePoint, "site"))

    @admin.display(description=Site._meta.get_field("grid_limit_w").verbose_name, ordering="grid_limit_w")
    def grid_limit(self, obj: Site) -> str:
        return kilowatts(obj.grid_limit_w)

    @admin.display(description=ChargePoint._meta.verbose_name_plural, ordering="charge_point_count")
    def charge_points(self, obj: Any) -> str:
        return list_link(ChargePoint, obj.charge_point_count, site__id__exact=obj.pk)


@admin.register(ChargePointGroup)
class ChargePointGroupAdmin(Admin):
    list_display = ("name", "organisation", "description", "charge_points", "id_tags")
    list_filter = (("organisation", FewRelatedFilter),)
    list_select_related = ("organisation",)
    search_fields = ("name", "description")
    autocomplete_fields = ("organisation",)
    fields = ("organisation", "name", "description")

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(
                charge_point_count=count_of(ChargePoint.groups.through, "chargepointgroup"),
                id_tag_count=count_of(IdTag.groups.through, "chargepointgroup"),
            )
        )

    @admin.display(description=ChargePoint._meta.verbose_name_plural, ordering="charge_point_count")
    def charge_points(self, obj: Any) -> str:
        return list_link(ChargePoint, obj.charge_point_count, groups__id__exact=obj.pk)

    @admin.display(description=IdTag._meta.verbose_name_plural, ordering="id_tag_count")
    def id_tags(self, obj: Any) -> str:
        return list_link(IdTag, obj.id_tag_count, groups__id__exact=obj.pk)
