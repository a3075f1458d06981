"""Charge points: what they are, how they are treated, and what they do right now."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
from django.core.validators import RegexValidator
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app import conf, security, serial_numbers
from ocpp_app.admin.base import Admin, ReadOnlyFormSet, ReadOnlyInline
from ocpp_app.admin.configuration import ConfigurationActionsMixin, summary_of
from ocpp_app.admin.display import (
    BAD,
    EMPTY,
    GOOD,
    IDLE,
    badge,
    kilowatt_hours,
    link,
    links,
    list_link,
    seconds,
    status_badge,
)
from ocpp_app.admin.filters import FewRelatedFilter, few_values, yes_no
from ocpp_app.admin.organisation import SameOrganisationForm
from ocpp_app.admin.quirk_note import QuirkNoteInline
from ocpp_app.admin.send_command import SendCommandMixin
from ocpp_app.admin.session import SESSION_COLUMNS, SessionColumnsMixin
from ocpp_app.admin.task_actions import TASK_MODELS, TaskActionsMixin
from ocpp_app.admission import required_profile
from ocpp_app.errors import ChargePointOffline, OCPPAppError
from ocpp_app.models import (
    ChargePoint,
    ChargePointSecurityEvent,
    Command,
    CompositeSchedule,
    Connector,
    FailedMessage,
    LocalList,
    Message,
    MeterValue,
    ProfileInstallation,
    QuirkNote,
    RegistrationStatus,
    SecurityEvent,
    SecurityProfile,
    SecurityUpgrade,
    Session,
    Transaction,
)

ADMINISTRATION = ("identity", "name", "organisation", "site", "groups", "registration_status", "tariff")
LIVE = (
    "connected",
    "since",
    "last_seen_at",
    "last_boot_at",
    "active_transactions",
    "configuration",
    "firmware_status",
    "diagnostics_status",
)
ACCESS = (
    "security_profile",
    "authorization_key_state",
    "new_authorization_key",
    "remove_authorization_key",
    "registered_serial_number",
)
TREATMENT: Any = {
    "fields": ("heartbeat_interval_s", "call_timeout_s", "unknown_id_tag", "auto_remote_start", "is_strict"),
    "description": gettext_lazy("Empty: as the setting of the same name says."),
}
SETTINGS = {"heartbeat_interval_s": conf.heartbeat_interval_s, "call_timeout_s": conf.call_timeout_s}
EQUIPMENT = (
    ("vendor", "model"),
    ("serial_number", "charge_box_serial_number"),
    ("firmware_version", "meter_type", "meter_serial_number"),
    ("iccid", "imsi"),
    "protocol",
    "created_at",
)

UPGRADES = ("upgrade_to_1", "upgrade_to_2", "upgrade_to_3")
KEY_CHARACTERS = RegexValidator(r"\A[!-~]*\Z", gettext_lazy("Only ASCII letters, digits and punctuation, no spaces."))


class AsTheSettingSays(forms.NullBooleanSelect):
    """Yes, no, or as the setting says; Django calls the third "Unknown"."""

    def __init__(self) -> None:
        super().__init__()
        (unset, _unknown), *yes_and_no = self.choices
        self.choices = [(unset, gettext_lazy("as the setting says")), *yes_and_no]


class ChargePointForm(SameOrganisationForm):
    """The editable part of a charge point; its authorization key can be set, never read."""

    new_authorization_key = forms.CharField(
        label=gettext_lazy("New authorization key"),
        required=False,
        strip=False,
        min_length=16,
        max_length=40,
        validators=[KEY_CHARACTERS],
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 45}),
        help_text=gettext_lazy(
            "16 to 40 characters, which the charge point sends as its HTTP Basic password when it connects "
            "(OCPP-J 1.6 §6.2.2). Stored hashed: nobody can read it afterwards. Empty: stays as it is."
        ),
    )
    remove_authorization_key = forms.BooleanField(
        label=gettext_lazy("Remove the key"),
        required=False,
        help_text=gettext_lazy("From then on it connects only if its security profile is 0 or 3."),
    )

    class Meta:
        model = ChargePoint
        fields = "__all__"

    def clean_registered_serial_number(self) -> str:
        return serial_numbers.cleaned(self.cleaned_data["registered_serial_number"], self.instance)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, setting in SETTINGS.items():
            if name in self.fields:  # somebody who may only look has none
                self.fields[name].widget.attrs["placeholder"] = setting()
        for name in self.fields.keys() & {"auto_remote_start", "is_strict"}:
            self.fields[name].widget = AsTheSettingSays()

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.cleaned_data.get("new_authorization_key") and self.cleaned_data.get("remove_authorization_key"):
            self.add_error("remove_authorization_key", _("Either set a new key or remove the old one."))
        if self.instance.pk is None and not self.cleaned_data.get("new_authorization_key"):
            self._check_that_it_can_connect()
        return cleaned

    def _check_that_it_can_connect(self) -> None:
        own = self.cleaned_data.get("security_profile")
        required = conf.security_profile() if own is None else own
        is_accepted = self.cleaned_data.get("registration_status") == RegistrationStatus.ACCEPTED
        if is_accepted and required in (SecurityProfile.BASIC, SecurityProfile.TLS):
            text = _(
                "Security profile %(profile)d asks for a key. Enter one here and in the charge point; "
                "or choose security profile 0 (no password) or the status Pending (given a key when it is approved)."
            )
            self.add_error("new_authorization_key", text % {"profile": required})


class ConnectorFormSet(ReadOnlyFormSet):
    limit = 100


class ConnectorInline(ReadOnlyInline):
    model = Connector
    fields = ("page", "status_shown", "status_at", "error_code", "info", "vendor_error_code")
    ordering = ("number",)
    formset = ConnectorFormSet

    @admin.display(description=Connector._meta.get_field("number").verbose_name)
    def page(self, obj: Connector) -> str:
        return link(obj, obj.number)

    @admin.display(description=Connector._meta.get_field("status").verbose_name)
    def status_shown(self, obj: Connector) -> str:
        return status_badge(obj.status)


class SessionInline(SessionColumnsMixin, ReadOnlyInline):
    model = Session
    verbose_name_plural = gettext_lazy("last 10 sessions")
    fields = SESSION_COLUMNS
    ordering = ("-connected_at",)
    select_related = ("gateway",)


@admin.register(ChargePoint)
class ChargePointAdmin(SendCommandMixin, TaskActionsMixin, ConfigurationActionsMixin, Admin):
    form = ChargePointForm
    list_display = (
        "identity",
        "name",
        "connected",
        "registration",
        "connector_statuses",
        "active_transactions",
        "last_seen_at",
        "site",
        "equipment",
    )
    list_filter = (
        yes_no("connected", gettext_lazy("connected"), Q(session__isnull=False)),
        "registration_status",
        ("organisation", FewRelatedFilter),
        ("site", FewRelatedFilter),
        ("groups", FewRelatedFilter),
        few_values("vendor", ChargePoint._meta.get_field("vendor").verbose_name),
        few_values("model", ChargePoint._meta.get_field("model").verbose_name),
    )
    list_select_related = ("site",)
    search_fields = ("identity", "name", "serial_number", "charge_box_serial_number", "site__name")
    search_help_text = gettext_lazy("Identity, name, serial number or site.")
    autocomplete_fields = ("organisation", "site", "groups", "tariff")
    inlines = (ConnectorInline, SessionInline, QuirkNoteInline)
    actions = (
        "approve",
        "approve_without_password",
        "reject",
        "set_pending",
        "renew_key",
        *UPGRADES,
        "send_command",
        "read_configuration",
        "apply_configuration",
        "restart",
        "update_firmware",
        "ask_for_diagnostics",
        "manage_certificates",
    )

    readonly_fields = ("related", *LIVE, "authorization_key_state", *flatten(EQUIPMENT))
    fieldsets = (
        (None, {"fields": ("related", *ADMINISTRATION)}),
        (gettext_lazy("Now"), {"fields": LIVE}),
        (gettext_lazy("Access"), {"fields": ACCESS}),
        (gettext_lazy("Treatment"), TREATMENT),
        (gettext_lazy("Equipment, as it says in its BootNotification"), {"fields": EQUIPMENT}),
    )
    add_fieldsets = (
        (None, {"fields": ADMINISTRATION}),
        (gettext_lazy("Access"), {"fields": ("security_profile", "new_authorization_key", "registered_serial_number")}),
        (gettext_lazy("Treatment"), TREATMENT),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # The transactions by connector: that is what the index of active ones is made for.
        active = Prefetch(
            "transactions", Transaction.objects.filter(is_active=True).order_by("pk"), "active_transactions"
        )
        connectors = Connector.objects.order_by("number").prefetch_related(active)
        return super().get_queryset(request).prefetch_related(Prefetch("connectors", connectors))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        # Messages, transactions and the address that the charge point connects to all hang on the identity.
        return [*super().get_readonly_fields(request, obj), *(["identity"] if obj is not None else [])]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "registration_status" in form.changed_data:
            security.note_registration(obj, requested_by=request.user)
        key = form.cleaned_data.get("new_authorization_key")
        if key or form.cleaned_data.get("remove_authorization_key"):
            security.set_key(obj, key or "", requested_by=request.user)

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("connected"), ordering="session")
    def connected(self, obj: ChargePoint) -> str:
        return badge(_("connected"), GOOD) if obj.is_connected else badge(_("offline"), IDLE)

    @admin.display(description=gettext_lazy("connected since"))
    def since(self, obj: ChargePoint) -> str:
        return EMPTY if obj.session is None else link(obj.session, seconds(obj.session.connected_at))

    @admin.display(description=gettext_lazy("registration"), ordering="registration_status")
    def registration(self, obj: ChargePoint) -> str:
        return status_badge(obj.registration_status, obj.get_registration_status_display())

    @admin.display(description=gettext_lazy("equipment"), ordering="vendor")
    def equipment(self, obj: ChargePoint) -> str:
        lines = filter(None, (f"{obj.vendor} {obj.model}".strip(), obj.firmware_version))
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines)) or EMPTY

    @admin.display(description=Connector._meta.verbose_name_plural)
    def connector_statuses(self, obj: ChargePoint) -> str:
        # Connector 0 is the charge point as a whole: worth a word only when it says that something is wrong.
        shown = [c for c in obj.connectors.all() if c.status and (c.number or c.status != "Available")]
        badges = format_html_join("", "{}", ((status_badge(c.status, f"{c.number} {c.status}"),) for c in shown))
        return format_html('<span class="ocpp-connectors">{}</span>', badges) if shown else EMPTY

    @admin.display(description=gettext_lazy("active transactions"))
    def active_transactions(self, obj: ChargePoint) -> str:
        active = [transaction for connector in obj.connectors.all() for transaction in connector.active_transactions]  # type: ignore[attr-defined]
        lines = (
            (link(transaction, f"#{transaction.pk}"), kilowatt_hours(transaction.energy_wh)) for transaction in active
        )
        return format_html_join(mark_safe("<br>"), "{} {}", lines) if active else EMPTY

    @admin.display(description=gettext_lazy("configuration"))
    def configuration(self, obj: ChargePoint) -> str:
        return summary_of(obj)

    @admin.display(description=gettext_lazy("authorization key"))
    def authorization_key_state(self, obj: ChargePoint) -> str:
        required = required_profile(obj)
        if obj.authorization_key:
            with_certificate = required == SecurityProfile.MUTUAL_TLS
            return badge(_("set: its certificate counts") if with_certificate else _("set: it must be sent"), GOOD)
        if not security.needs_key(obj):
            words = _("none: its certificate counts") if required else _("none: anybody may connect in its name")
            return badge(words, IDLE)
        if obj.registration_status == RegistrationStatus.PENDING and obj.security_profile is None:
            return badge(_("none: it is given one when it is approved"), IDLE)
        return badge(_("none: it cannot connect until it has one"), BAD)

    @admin.display(description=gettext_lazy("see also"))
    def related(self, obj: ChargePoint) -> str:
        models = (
            Transaction, Message, Command, Session, MeterValue, FailedMessage, QuirkNote, SecurityEvent,
            SecurityUpgrade, LocalList, ProfileInstallation, CompositeSchedule, ChargePointSecurityEvent, *TASK_MODELS,
        )  # fmt: skip
        return links(list_link(model, model._meta.verbose_name_plural, charge_point=obj.pk) for model in models)

    # -- actions --------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Approve: may charge"), permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._approve(request, queryset)

    @admin.action(description=gettext_lazy("Approve without a password (security profile 0)"), permissions=["change"])
    def approve_without_password(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._approve(request, queryset, without_password=True)

    def _approve(self, request: HttpRequest, queryset: QuerySet, **how: bool) -> None:
        accepted: list[ChargePoint] = []
        given_a_key: list[ChargePoint] = []
        for obj in queryset.exclude(registration_status=RegistrationStatus.ACCEPTED).select_related("session"):
            try:
                row = security.approve(obj, requested_by=request.user, **how)
            except OCPPAppError as error:
                self._explain(request, obj, error)
                continue
            (accepted if row is None else given_a_key).append(obj)
            self.log_change(request, obj, _("Approved."))
        if accepted or not given_a_key:
            self._say_registered(request, accepted, RegistrationStatus.ACCEPTED)
        if given_a_key:
            message = ngettext(
                "%(names)s is being given a password; it is Accepted as soon as it has come back with it. "
                "Its security upgrades say how far it is.",
                "%(names)s are being given passwords; each is Accepted as soon as it has come back with it. "
                "Their security upgrades say how far they are.",
                len(given_a_key),
            )
            self.message_user(request, message % {"names": ", ".join(map(str, given_a_key))}, messages.SUCCESS)

    def _explain(self, request: HttpRequest, obj: ChargePoint, error: Exception) -> None:
        hint = _(
            "%(error)s It needs a password: approve it while it is connected, or enter a key on its page and in the "
            "charge point itself, or approve it without a password (security profile 0)."
        )
        text = hint % {"error": error} if isinstance(error, ChargePointOffline) else f"{obj}: {error}"
        self.message_user(request, text, messages.ERROR)

    @admin.action(description=gettext_lazy("Give a new password (while connected)"), permissions=["change"])
    def renew_key(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._begin(request, queryset, lambda obj: security.rotate_authorization_key(obj, requested_by=request.user))

    @admin.action(description=gettext_lazy("Upgrade to security profile 1"), permissions=["change"])
    def upgrade_to_1(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._upgrade(request, queryset, SecurityProfile.BASIC)

    @admin.action(description=gettext_lazy("Upgrade to security profile 2"), permissions=["change"])
    def upgrade_to_2(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._upgrade(request, queryset, SecurityProfile.TLS)

    @admin.action(description=gettext_lazy("Upgrade to security profile 3"), permissions=["change"])
    def upgrade_to_3(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._upgrade(request, queryset, SecurityProfile.MUTUAL_TLS)

    def _upgrade(self, request: HttpRequest, queryset: QuerySet, target: SecurityProfile) -> None:
        self._begin(
            request, queryset, lambda obj: security.upgrade_security_profile(obj, target, requested_by=request.user)
        )

    def _begin(self, request: HttpRequest, queryset: QuerySet, begin: Callable[[ChargePoint], Any]) -> None:
        begun = []
        for obj in queryset.select_related("session"):
            try:
                begin(obj)
            except OCPPAppError as error:
                self.message_user(request, f"{obj}: {error}", messages.ERROR)
            else:
                begun.append(obj)
                self.log_change(request, obj, _("Security upgrade begun."))
        if begun:
            said = _("Sent to %(names)s; the security upgrades say how far it is.")
            self.message_user(request, said % {"names": ", ".join(map(str, begun))}, messages.SUCCESS)

    @admin.action(description=gettext_lazy("Reject: may not charge"), permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._register(request, queryset, RegistrationStatus.REJECTED)

    @admin.action(description=gettext_lazy("Set back to pending: waits for approval"), permissions=["change"])
    def set_pending(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._register(request, queryset, RegistrationStatus.PENDING)

    def _register(self, request: HttpRequest, queryset: QuerySet, status: RegistrationStatus) -> None:
        changed = [obj for obj in queryset if security.set_registration(obj, status, requested_by=request.user)]
        for obj in changed:
            self.log_change(request, obj, _("Registration status set to %(status)s.") % {"status": status})
        self._say_registered(request, changed, status)

    def _say_registered(self, request: HttpRequest, changed: list[ChargePoint], status: RegistrationStatus) -> None:
        message = ngettext(
            "%(count)d charge point is %(status)s now; it hears so with its next BootNotification.",
            "%(count)d charge points are %(status)s now; they hear so with their next BootNotification.",
            len(changed),
        )
        self.message_user(request, message % {"count": len(changed), "status": status.label}, messages.SUCCESS)
