"""A charging profile sent once, in the admin: the way to give a transaction its TxProfile."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.admin.form_page import form_page
from ocpp_app.charging_profiles import send_profile
from ocpp_app.errors import CommandError, ProfileNotSendable
from ocpp_app.models import ChargePoint, ChargingProfile, ProfileAssignment
from ocppj.errors import PayloadError


class SendProfileForm(forms.Form):
    charging_profile = forms.ModelChoiceField(
        label=gettext_lazy("Charging profile"), queryset=ChargingProfile.objects.all()
    )
    charge_point = forms.ModelChoiceField(label=gettext_lazy("Charge point"), queryset=ChargePoint.objects.all())
    connector = forms.IntegerField(
        label=gettext_lazy("Connector"),
        min_value=0,
        initial=1,
        help_text=gettext_lazy("A TxProfile is for the transaction on it. 0: the whole charge point."),
    )

    def __init__(self, *args: Any, admin_site: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("charging_profile", "charge_point"):
            field: Any = self.fields[name]
            widget = AutocompleteSelect(ProfileAssignment._meta.get_field(name), admin_site)
            widget.choices = field.choices
            field.widget = widget

    def clean(self) -> Any:
        cleaned: Any = super().clean()
        profile, charge_point = cleaned.get("charging_profile"), cleaned.get("charge_point")
        if profile and charge_point and profile.organisation_id != charge_point.organisation_id:
            self.add_error("charge_point", _("It belongs to another organisation than the profile."))
        return cleaned


class SendProfileMixin(admin.ModelAdmin):
    """A page that sends a profile."""

    change_list_template = "admin/ocpp_app/chargingprofile/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.send_view)
        return [path("send/", view, name="ocpp_app_chargingprofile_send"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {**(extra_context or {}), "may_send": self.has_change_permission(request)}
        return super().changelist_view(request, context)

    def send_view(self, request: HttpRequest) -> HttpResponse:
        """The form; after it, the list of what is installed."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        initial = {"charging_profile": request.GET.get("profile")}
        form = SendProfileForm(request.POST or None, admin_site=self.admin_site, initial=initial)
        if request.method == "POST" and form.is_valid() and self._send(request, form):
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:ocpp_app_profileinstallation_changelist"))
        title, submit = _("Send a charging profile"), _("Send")
        return form_page(self, request, "chargingprofile/send.html", form, title=title, submit=submit)

    def _send(self, request: HttpRequest, form: SendProfileForm) -> bool:
        data = form.cleaned_data
        profile, charge_point = data["charging_profile"], data["charge_point"]
        try:
            send_profile(profile, charge_point, data["connector"], requested_by=request.user, source="admin")
        except (CommandError, ProfileNotSendable, PayloadError) as error:
            form.add_error(None, str(error))
            return False
        self.log_change(request, profile, _("Sent to %(charge_point)s.") % {"charge_point": charge_point})
        self.message_user(request, _("The charge point is asked to install it."), messages.SUCCESS)
        return True
