"""Who does the housekeeping. Evidence."""

from django.contrib import admin

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.models import Lease


@admin.register(Lease)
class LeaseAdmin(EvidenceAdmin):
    list_display = ("name", "holder", "expires_at")
    fields = ("name", "holder", "expires_at")
