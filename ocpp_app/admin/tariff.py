"""Tariffs, with the windows of the day and the week that have prices of their own."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import Admin
from ocpp_app.admin.counts import count_of
from ocpp_app.admin.display import EMPTY, links, list_link
from ocpp_app.admin.filters import FewRelatedFilter
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.models import ChargePoint, IdTag, Site, Tariff, TariffWindow, Transaction

PRICES = ("price_per_kwh", "price_per_minute", "idle_price_per_minute")
USERS = (Site, ChargePoint, IdTag)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class TariffForm(SameOrganisationForm):
    class Meta:
        model = Tariff
        fields = "__all__"

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()

    def clean(self) -> Any:
        cleaned = super().clean()
        organisation = self.cleaned_data.get("organisation")
        if self.instance.pk and organisation and organisation.pk != self.instance.organisation_id:
            self.add_error("organisation", _("A tariff stays with its organisation. Make a new one there."))
        return cleaned


class TariffWindowInline(admin.TabularInline):
    model = TariffWindow
    fields = ("name", "position", *DAYS, "starts_at", "ends_at", *PRICES)
    extra = 0


@admin.register(Tariff)
class TariffAdmin(Admin):
    form = TariffForm
    list_display = (
        "name",
        "organisation",
        "is_default",
        "per_kwh",
        "per_minute",
        "per_start",
        "idle",
        "windows",
        "used_by",
    )
    list_filter = (("organisation", FewRelatedFilter),)
    list_select_related = ("organisation",)
    search_fields = ("name", "note")
    autocomplete_fields = ("organisation",)
    inlines = (TariffWindowInline,)
    fieldsets = (
        (None, {"fields": ("name", "organisation", "currency", "is_default", "note")}),
        (
            gettext_lazy("Prices"),
            {
                "fields": ("price_per_kwh", "price_per_minute", "price_per_start"),
                "description": gettext_lazy("A change counts for transactions that begin after it."),
            },
        ),
        (gettext_lazy("Idle fee"), {"fields": ("idle_price_per_minute", "idle_grace_minutes")}),
        (gettext_lazy("Windows"), {"fields": ("time_zone",)}),
        (None, {"fields": ("used_by", "created_at")}),
    )
    readonly_fields = ("used_by", "created_at")

    def get_queryset(self, request: HttpRequest) -> Any:
        counts = {f"{model._meta.model_name}_count": count_of(model, "tariff") for model in USERS}
        return super().get_queryset(request).annotate(window_count=count_of(TariffWindow, "tariff"), **counts)

    @admin.display(description=Tariff._meta.get_field("price_per_kwh").verbose_name, ordering="price_per_kwh")
    def per_kwh(self, obj: Tariff) -> str:
        return _amount(obj.price_per_kwh, obj.currency)

    @admin.display(description=Tariff._meta.get_field("price_per_minute").verbose_name, ordering="price_per_minute")
    def per_minute(self, obj: Tariff) -> str:
        return _amount(obj.price_per_minute, obj.currency)

    @admin.display(description=Tariff._meta.get_field("price_per_start").verbose_name, ordering="price_per_start")
    def per_start(self, obj: Tariff) -> str:
        return _amount(obj.price_per_start, obj.currency)

    @admin.display(description=gettext_lazy("idle fee per minute"), ordering="idle_price_per_minute")
    def idle(self, obj: Tariff) -> str:
        return _amount(obj.idle_price_per_minute, obj.currency)

    @admin.display(description=TariffWindow._meta.verbose_name_plural, ordering="window_count")
    def windows(self, obj: Any) -> str:
        return list_link(TariffWindow, obj.window_count, tariff__id__exact=obj.pk) if obj.window_count else EMPTY

    @admin.display(description=gettext_lazy("used by"))
    def used_by(self, obj: Any) -> str:
        """Who has it, and the transactions that began with it."""
        if obj.pk is None:
            return EMPTY
        counted = ((model, getattr(obj, f"{model._meta.model_name}_count")) for model in USERS)
        users = [
            list_link(model, f"{model._meta.verbose_name_plural}: {count}", tariff__id__exact=obj.pk)
            for model, count in counted
            if count
        ]
        return links((*users, list_link(Transaction, Transaction._meta.verbose_name_plural, tariff=obj.pk)))


@admin.register(TariffWindow)
class TariffWindowAdmin(Admin):
    list_display = ("name", "tariff", "position", *DAYS, "starts_at", "ends_at", *PRICES)
    list_filter = (("tariff", FewRelatedFilter),)
    list_select_related = ("tariff",)
    search_fields = ("name", "tariff__name")
    autocomplete_fields = ("tariff",)
    fields = ("tariff", "name", "position", DAYS, ("starts_at", "ends_at"), PRICES)


def _amount(price: Decimal, currency: str) -> str:
    """A price without the zeros behind it."""
    whole = Decimal(f"{price:f}".rstrip("0").rstrip(".") if "." in f"{price:f}" else price)
    return f"{number_format(whole)} {currency}" if price else EMPTY
