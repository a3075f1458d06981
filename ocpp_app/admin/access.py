"""Who may use the API and the console: memberships and API tokens."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.base import Admin
from ocpp_app.admin.display import BAD, GOOD, badge
from ocpp_app.admin.filters import FewRelatedFilter
from ocpp_app.models import ApiToken, Membership


@admin.register(Membership)
class MembershipAdmin(Admin):
    list_display = ("user", "organisation", "role", "created_at")
    list_filter = ("role", ("organisation", FewRelatedFilter))
    list_select_related = ("user", "organisation")
    search_fields = ("organisation__name",)
    autocomplete_fields = ("organisation",)
    raw_id_fields = ("user",)  # no autocomplete: another project's user model need not be in its admin
    fields = ("user", "organisation", "role", "created_at")
    readonly_fields = ("created_at",)


@admin.register(ApiToken)
class ApiTokenAdmin(Admin):
    list_display = ("name", "hint", "organisation", "user", "scope", "state", "expires_at", "last_used_at")
    list_filter = ("scope", ("organisation", FewRelatedFilter))
    list_select_related = ("user", "organisation")
    search_fields = ("name", "hint")
    autocomplete_fields = ("organisation",)
    raw_id_fields = ("user",)
    fields = ("name", "organisation", "user", "scope", "expires_at", "hint", "last_used_at", "created_at")
    readonly_fields = ("hint", "last_used_at", "created_at")
    add_fieldsets = ((None, {"fields": ("name", "organisation", "user", "scope", "expires_at")}),)

    @admin.display(description=gettext_lazy("state"), ordering="expires_at")
    def state(self, obj: ApiToken) -> str:
        return badge(_("expired"), BAD) if obj.is_expired() else badge(_("valid"), GOOD)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        secret = obj.renew()
        obj.save()
        said = _("The token is %(secret)s. Copy it now: nobody can read it afterwards.") % {"secret": secret}
        self.message_user(request, said, messages.WARNING)
