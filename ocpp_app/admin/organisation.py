"""Organisations."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app import audit
from ocpp_app.admin.base import Admin
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import list_link
from ocpp_app.models import ChargePoint, IdTag, Organisation, Site


class SameOrganisationForm(ModelForm):
    """A form whose chosen objects must belong to the organisation that it names."""

    def clean(self) -> Any:
        super().clean()
        organisation = self.cleaned_data.get("organisation")
        for name, value in list(self.cleaned_data.items()):
            foreign = [obj for obj in _chosen(value) if organisation and obj.organisation_id != organisation.pk]
            if foreign:
                self.add_error(name, _("%(object)s belongs to another organisation.") % {"object": foreign[0]})
        return self.cleaned_data


def _chosen(value: Any) -> list[Any]:
    values = value if isinstance(value, QuerySet) else [value]
    return [obj for obj in values if hasattr(obj, "organisation_id")]


@admin.register(Organisation)
class OrganisationAdmin(Admin):
    list_display = ("name", "slug", "is_default", "sites", "charge_points", "id_tags")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    fields = ("name", "slug", "operator_names", "is_default", "created_at")
    readonly_fields = ("is_default", "created_at")
    actions = ("make_default",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .annotate(
                site_count=count_of(Site, "organisation"),
                charge_point_count=count_of(ChargePoint, "organisation"),
                id_tag_count=count_of(IdTag, "organisation"),
            )
        )

    @admin.display(description=Site._meta.verbose_name_plural, ordering="site_count")
    def sites(self, obj: Any) -> str:
        return list_link(Site, obj.site_count, organisation__id__exact=obj.pk)

    @admin.display(description=ChargePoint._meta.verbose_name_plural, ordering="charge_point_count")
    def charge_points(self, obj: Any) -> str:
        return list_link(ChargePoint, obj.charge_point_count, organisation__id__exact=obj.pk)

    @admin.display(description=IdTag._meta.verbose_name_plural, ordering="id_tag_count")
    def id_tags(self, obj: Any) -> str:
        return list_link(IdTag, obj.id_tag_count, organisation__id__exact=obj.pk)

    @admin.action(description=gettext_lazy("Make it the default organisation"), permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: QuerySet) -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, _("Select one organisation: exactly one is the default."), messages.ERROR)
            return
        with transaction.atomic():
            Organisation.objects.filter(is_default=True).update(is_default=False)
            Organisation.objects.filter(pk=chosen[0].pk).update(is_default=True)
        self.log_change(request, chosen[0], _("Made the default organisation."))
        name, key = chosen[0].name, chosen[0].pk
        audit.record("Organisation changed", subject=name, detail="made the default", organisation_id=key)
        self.message_user(
            request, _("%(name)s is the default organisation now.") % {"name": chosen[0]}, messages.SUCCESS
        )
