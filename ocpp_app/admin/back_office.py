"""What people decide about transactions: actions on their list, each with a note that says why."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.anomaly import NoteForm
from ocpp_app.back_office import close_transaction, decide_energy
from ocpp_app.errors import TransactionError
from ocpp_app.models import Transaction


class BackOfficeMixin(admin.ModelAdmin):
    """For whoever may change transactions, although nobody may edit them."""

    action_form = NoteForm

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_transaction")

    @admin.action(description=gettext_lazy("Close with a note (nothing is sent)"), permissions=["decide"])
    def close(self, request: HttpRequest, queryset: QuerySet) -> None:
        done = self._decide(request, queryset, lambda row, note: close_transaction(row, note, request.user))
        if done is not None:
            message = ngettext("%d transaction is closed now.", "%d transactions are closed now.", done)
            self.message_user(request, message % done, messages.SUCCESS if done else messages.WARNING)

    @admin.action(description=gettext_lazy("Bill the energy in doubt, with a note"), permissions=["decide"])
    def bill_in_doubt(self, request: HttpRequest, queryset: QuerySet) -> None:
        in_doubt = queryset.filter(doubtful_wh__isnull=False)
        done = self._decide(
            request, in_doubt, lambda row, note: decide_energy(row, row.doubtful_wh or 0, note, request.user)
        )
        if done is not None:
            message = ngettext(
                "The energy of %d transaction is billed now.", "… of %d transactions is billed now.", done
            )
            self.message_user(request, message % done, messages.SUCCESS if done else messages.WARNING)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet, decide: Callable[[Any, str], Transaction]
    ) -> int | None:
        """How many of the rows the decision was carried out on; None: there was no note."""
        note = request.POST.get("note", "").strip()
        if not note:
            self.message_user(request, _("Write a note beside the action: why?"), messages.ERROR)
            return None
        done = 0
        for row in queryset.select_related("charge_point"):
            try:
                decided = decide(row, note)
            except TransactionError as error:
                self.message_user(request, str(error), messages.WARNING)
                continue
            self.log_change(request, decided, note)
            done += 1
        return done
