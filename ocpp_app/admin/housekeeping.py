"""Who does the housekeeping, and when what is old was last removed. Evidence."""

from django.contrib import admin

from ocpp_app.admin.base import EvidenceAdmin
from ocpp_app.models import Lease, Pruning


@admin.register(Lease)
class LeaseAdmin(EvidenceAdmin):
    list_display = ("name", "holder", "expires_at")
    fields = ("name", "holder", "expires_at")


@admin.register(Pruning)
class PruningAdmin(EvidenceAdmin):
    list_display = ("table", "finished_at", "removed", "done_until")
    fields = ("table", "finished_at", "removed", "done_until")
