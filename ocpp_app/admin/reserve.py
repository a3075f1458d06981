"""Reservations asked for, and given up, in the admin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime, AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import is_superuser
from ocpp_app.admin.form_page import form_page
from ocpp_app.models import ChargePoint, Reservation
from ocpp_app.reservations import cancel_reservation, reserve


class ReserveForm(forms.Form):
    charge_point = forms.ModelChoiceField(label=gettext_lazy("Charge point"), queryset=ChargePoint.objects.all())
    connector = forms.IntegerField(
        label=gettext_lazy("Connector"),
        min_value=0,
        initial=1,
        help_text=gettext_lazy("0: any; few charge points can."),
    )
    id_tag = forms.CharField(label=gettext_lazy("idTag"), max_length=20)
    expires_at = forms.SplitDateTimeField(label=gettext_lazy("Expires"), widget=AdminSplitDateTime)

    def __init__(self, *args: Any, admin_site: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = AutocompleteSelect(Reservation._meta.get_field("charge_point"), admin_site)
        field: Any = self.fields["charge_point"]
        widget.choices = field.choices
        field.widget = widget

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise forms.ValidationError(_("That time has passed. Choose a later one."))
        return expires_at


class ReserveMixin(admin.ModelAdmin):
    """A page that reserves, and an action that cancels."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reserve_view)
        return [path("reserve/", view, name="ocpp_app_reservation_reserve"), *super().get_urls()]

    def has_reserve_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {**(extra_context or {}), "may_reserve": self.has_reserve_permission(request)}
        return super().changelist_view(request, context)

    def reserve_view(self, request: HttpRequest) -> HttpResponse:
        """The form; after it, the list with the new reservation on top."""
        if not self.has_reserve_permission(request):
            raise PermissionDenied
        form = ReserveForm(request.POST or None, admin_site=self.admin_site)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            row = reserve(
                data["charge_point"],
                data["connector"],
                data["id_tag"],
                data["expires_at"],
                queue=True,
                requested_by=request.user,
                source="admin",
            )
            self.log_addition(request, row, [{"added": {}}])
            self.message_user(request, _("The charge point is asked for reservation %d.") % row.pk, messages.SUCCESS)
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:ocpp_app_reservation_changelist"))
        title, submit = _("Reserve a connector"), _("Reserve")
        return form_page(self, request, "reservation/reserve.html", form, title=title, submit=submit)

    @admin.action(description=gettext_lazy("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        still_open = [row for row in queryset.select_related("charge_point") if row.is_open]
        for row in still_open:
            cancel_reservation(row, queue=True, requested_by=request.user, source="admin")
            self.log_change(request, row, _("Asked the charge point to cancel it."))
        message = ngettext(
            "The charge point is asked to cancel %d reservation.",
            "The charge points are asked to cancel %d reservations.",
            len(still_open),
        )
        self.message_user(request, message % len(still_open), messages.SUCCESS if still_open else messages.WARNING)
