"""Start, stop, unlock, reset: one click, and a question that says what will happen."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.commands import issue_command
from ocpp_app.console.command import nonce_of, progress_of
from ocpp_app.console.visitor import ConsoleRequest, find, require, show, signed_in
from ocpp_app.console.words import explain
from ocpp_app.errors import OCPPAppError
from ocpp_app.models import ANONYMOUS, ChargePoint, IdTag, Scope, Transaction
from ocppj.errors import PayloadError
from ocppj.messages import Request
from ocppj.v16 import (
    RemoteStartTransactionRequest,
    RemoteStopTransactionRequest,
    ResetRequest,
    ResetType,
    UnlockConnectorRequest,
)

TAGS_OFFERED = 200


class Plain(forms.Form):
    """Nothing to be filled in."""


class StartForm(forms.Form):
    id_tag = forms.CharField(
        label=gettext_lazy("idTag"),
        max_length=20,
        help_text=gettext_lazy("In whose name it charges. The charge point may ask whether the tag is accepted."),
        widget=forms.TextInput(attrs={"list": "tags", "autocomplete": "off"}),
    )


class ResetForm(forms.Form):
    type = forms.ChoiceField(
        label=gettext_lazy("How"),
        widget=forms.RadioSelect,
        initial=ResetType.Soft.value,
        choices=(
            (ResetType.Soft.value, gettext_lazy("Soft: stops transactions properly, then restarts its software")),
            (ResetType.Hard.value, gettext_lazy("Hard: restarts at once; what is charging is cut off")),
        ),
    )


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before a command leaves."""

    title: str
    consequences: list[str]
    submit: str
    form: type[forms.Form]
    message: Callable[[Mapping[str, Any]], Request]
    is_dangerous: bool = False
    offers: list[str] = field(default_factory=list)
    initial: Mapping[str, Any] = field(default_factory=dict)


@signed_in
def ask(request: ConsoleRequest, pk: int, name: str) -> HttpResponseBase:
    """The question; answered with yes, the command and its progress."""
    charge_point = find(request, ChargePoint.objects.all(), pk=pk)
    require(request, Scope.OPERATE, charge_point, "ocpp_app.add_command")
    if name not in QUESTIONS:
        raise Http404
    question = QUESTIONS[name](charge_point, request.GET)
    form = question.form(request.POST if request.method == "POST" else None, initial=dict(question.initial))
    if request.method == "POST" and form.is_valid():
        try:
            command = issue_command(
                charge_point,
                question.message(form.cleaned_data),
                idempotency_key=nonce_of(request),
                requested_by=request.user,
                source="console",
            )
        except (OCPPAppError, PayloadError) as error:
            form.add_error(None, explain(error, charge_point))
        else:
            if request.headers.get("HX-Request"):
                return progress_of(request, command, question.title)
            return redirect("console:command", command.pk)
    return _question(request, charge_point, question, form)


def _question(request: Any, charge_point: ChargePoint, question: Question, form: forms.Form) -> HttpResponse:
    context = {
        "charge_point": charge_point,
        "question": question,
        "form": form,
        "nonce": request.POST.get("nonce") or uuid.uuid4(),
        "section": "charge-points",
    }
    return show(request, "ask.html", context)


# -- the questions -------------------------------------------------------------------------------------------


def _start(charge_point: ChargePoint, given: Mapping[str, str]) -> Question:
    number = _number(given)
    tags = IdTag.objects.filter(organisation=charge_point.organisation_id, is_blocked=False).order_by("id_tag")
    offers = list(tags.values_list("id_tag", flat=True)[:TAGS_OFFERED])
    return Question(
        _("Start charging at connector %d") % number,
        [
            _("The charge point is asked to start a transaction for this idTag."),
            _("If no car is plugged in yet, it waits for one for a while."),
        ],
        _("Start charging"),
        StartForm,
        lambda data: RemoteStartTransactionRequest(id_tag=data["id_tag"], connector_id=number),
        offers=offers,
        initial={"id_tag": given.get("id_tag") or (ANONYMOUS if ANONYMOUS in offers else next(iter(offers), ""))},
    )


def _stop(charge_point: ChargePoint, given: Mapping[str, str]) -> Question:
    text = given.get("transaction", "")
    transactions = Transaction.objects.filter(charge_point=charge_point, pk=int(text)) if _is_number(text) else None
    found = transactions and transactions.select_related("connector").first()
    if not found:
        raise Http404
    return Question(
        _("Stop charging"),
        [
            _(
                "Transaction %(number)d of the tag %(tag)s at connector %(connector)d ends; "
                "it has charged %(energy)s so far."
            )
            % {
                "number": found.pk,
                "tag": found.id_tag,
                "connector": found.connector.number,
                "energy": f"{number_format((found.energy_wh or 0) / 1000, 2)} kWh",
            },
            _("The charge point answers whether it does so; then the car can be unplugged."),
        ],
        _("Stop charging"),
        Plain,
        lambda _data: RemoteStopTransactionRequest(transaction_id=found.pk),
        is_dangerous=True,
    )


def _unlock(charge_point: ChargePoint, given: Mapping[str, str]) -> Question:
    number = _number(given)
    consequences = [_("The charge point releases the lock that holds the cable in its socket.")]
    active = Transaction.objects.filter(charge_point=charge_point, connector__number=number, is_active=True).first()
    if active is not None:
        consequences.append(_("Transaction %d, which is charging there, is stopped first.") % active.pk)
    return Question(
        _("Unlock connector %d") % number,
        consequences,
        _("Unlock"),
        Plain,
        lambda _data: UnlockConnectorRequest(connector_id=number),
        is_dangerous=active is not None,
    )


def _reset(charge_point: ChargePoint, given: Mapping[str, str]) -> Question:
    count = Transaction.objects.filter(charge_point=charge_point, is_active=True)[:100].count()
    consequences = [_("The charge point restarts. It is offline for a minute or so, then connects again by itself.")]
    if count:
        text = ngettext("%d transaction is in progress: it ends.", "%d transactions are in progress: they end.", count)
        consequences.append(text % count)
    return Question(
        _("Restart %s") % charge_point.identity,
        consequences,
        _("Restart"),
        ResetForm,
        lambda data: ResetRequest(type=ResetType(data["type"])),
        is_dangerous=True,
    )


QUESTIONS: dict[str, Callable[[ChargePoint, Mapping[str, str]], Question]] = {
    "start": _start,
    "stop": _stop,
    "unlock": _unlock,
    "reset": _reset,
}


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _number(given: Mapping[str, str]) -> int:
    text = given.get("connector", "")
    if not _is_number(text):
        raise Http404
    return int(text)
