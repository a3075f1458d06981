"""What organisations drew, minute by minute. Evidence."""

from django.contrib import admin

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.admin.display import kilowatts
from ocpp_app.admin.filters import FewRelatedFilter
from ocpp_app.admin.search import BoundedPaginator
from ocpp_app.models import PowerSample


@admin.register(PowerSample)
class PowerSampleAdmin(EvidenceAdmin):
    list_display = ("at", "organisation", "power", "charging")
    list_filter = (("organisation", FewRelatedFilter),)
    list_select_related = ("organisation",)
    paginator = BoundedPaginator
    show_full_result_count = False
    fields = ("at", "organisation", "power", "charging")

    @admin.display(description=PowerSample._meta.get_field("power_w").verbose_name, ordering="power_w")
    def power(self, obj: PowerSample) -> str:
        return kilowatts(obj.power_w)
