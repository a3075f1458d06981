"""One command to the selected charge points, from a form made from its message."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.command_form import ActionForm, MessageForm, specs
from ocpp_app.admin.form_page import form_page
from ocpp_app.command_batches import issue_command_to_many
from ocpp_app.models import ChargePoint, CommandBatch
from ocppj.messages import Request

WAITING = {
    "": gettext_lazy("get no command; their result says so"),
    "1": gettext_lazy("get it when they connect within an hour"),
    "24": gettext_lazy("get it when they connect within a day"),
    "168": gettext_lazy("get it when they connect within a week"),
}
"""Hours → what becomes of charge points that are not connected."""


class SendForm(MessageForm):
    """The message, and what becomes of those that cannot be reached."""

    wait_hours = forms.ChoiceField(
        label=gettext_lazy("Charge points that are not connected"), choices=list(WAITING.items()), required=False
    )


class SendCommandMixin(admin.ModelAdmin):
    """An action of the list of charge points: choose the command, fill in its form, see what came of it."""

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.add_command")

    @admin.action(description=gettext_lazy("Send a command …"), permissions=["send"])
    def send_command(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        """The form is sent to where the list is, so that the selection stays what it was."""
        spec = specs().get(request.POST.get("ocpp_action", ""))
        if spec is None:
            return self._page(request, queryset, ActionForm(), _("Send a command"), _("Next"))
        is_filled_in = "wait_hours" in {name.removeprefix("message-") for name in request.POST}
        form = SendForm(spec, request.POST if is_filled_in else None)
        if is_filled_in and form.is_valid():
            batch = self._issue(request, queryset, form.message, form.cleaned_data["wait_hours"])
            return HttpResponseRedirect(
                reverse(f"{self.admin_site.name}:ocpp_app_commandbatch_change", args=(batch.pk,))
            )
        return self._page(request, queryset, form, _("Send %s") % spec.action, _("Send"), spec=spec)

    def _page(
        self, request: HttpRequest, queryset: QuerySet, form: forms.Form, title: str, submit: str, **context: Any
    ) -> HttpResponse:
        count = queryset.count()
        template = "chargepoint/send_command.html"
        return form_page(
            self,
            request,
            template,
            form,
            title=title,
            submit=submit,
            recipients=ngettext("To %d charge point.", "To %d charge points.", count) % count,
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            select_across=request.POST.get("select_across", "0"),
            **context,
        )

    def _issue(self, request: HttpRequest, queryset: QuerySet, message: Request, wait_hours: str) -> CommandBatch:
        expires_at = timezone.now() + timedelta(hours=int(wait_hours)) if wait_hours else None
        batch = issue_command_to_many(
            ChargePoint.objects.filter(pk__in=queryset.order_by().values("pk")),
            message,
            expires_at=expires_at,
            requested_by=request.user,
            source="admin",
            selection={"admin": request.GET.urlencode() or _("selected in the list")},
        )
        actor: Any = request.user.pk
        LogEntry.objects.log_actions(actor, [batch], 1, [{"added": {}}], single_object=True)
        sent = _("%(action)s is on its way; this page shows what becomes of it.") % {"action": batch.action}
        self.message_user(request, sent, messages.SUCCESS)
        return batch
