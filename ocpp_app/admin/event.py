"""Events for other systems, the webhooks that get them, and what became of each delivery."""

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ocpp_app.admin.base import Admin, EvidenceAdmin
from ocpp_app.admin.display import BAD, BUSY, EMPTY, GOOD, IDLE, WARNING, badge, elapsed, link, pretty
from ocpp_app.admin.filters import FewRelatedFilter, known_values, linked, yes_no
from ocpp_app.admin.search import BoundedListMixin, uuid
from ocpp_app.events import addresses, catalogue, signing
from ocpp_app.events.replay import replay
from ocpp_app.models import ChargePoint, DeliveryState, Event, WebhookDelivery, WebhookStream, WebhookSubscription

KINDS = sorted({name.split(".")[0] for name in catalogue.TYPES})
CHOICES = [
    ("*", gettext_lazy("all events")),
    *((f"{kind}.*", f"{kind}.*") for kind in KINDS),
    *((name, name) for name in catalogue.TYPES),
]
STATE_TONES = {
    DeliveryState.DELIVERED: GOOD,
    DeliveryState.RETRYING: BUSY,
    DeliveryState.GIVEN_UP: BAD,
    DeliveryState.REPLAY: WARNING,
}


@admin.register(Event)
class EventAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("at", "type", "charge_point_link", "sequence", "uid")
    list_display_links = ("at", "type")
    list_filter = (
        linked("charge_point", ChargePoint),
        known_values("type", Event._meta.get_field("type").verbose_name, catalogue.TYPES),
        ("organisation", FewRelatedFilter),
    )
    list_select_related = ("charge_point",)
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an event's id.")
    fields = (
        "uid",
        "type",
        "at",
        "organisation",
        "charge_point",
        "sequence",
        "data_shown",
        "exchange_due",
        "webhooks_due",
    )

    def other(self, word: str) -> Q:
        return uuid("uid", word)

    @admin.display(description=Event._meta.get_field("data").verbose_name)
    def data_shown(self, obj: Event) -> str:
        return pretty(json.loads(obj.data))


class WebhookForm(forms.ModelForm):
    """A subscription; its secret is made up and shown once, never typed."""

    events = forms.MultipleChoiceField(
        label=WebhookSubscription._meta.get_field("events").verbose_name,
        choices=CHOICES,
        widget=forms.CheckboxSelectMultiple,
        initial=["*"],
    )

    class Meta:
        model = WebhookSubscription
        fields = ("name", "organisation", "url", "events", "is_active")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            addresses.parse(url)
        except addresses.AddressRefused as error:
            raise forms.ValidationError(str(error)) from error
        return url


@admin.register(WebhookSubscription)
class WebhookSubscriptionAdmin(Admin):
    form = WebhookForm
    list_display = ("name", "organisation", "url", "events_shown", "state", "last_success_at")
    list_filter = ("is_active", ("organisation", FewRelatedFilter))
    list_select_related = ("organisation",)
    search_fields = ("name", "url")
    autocomplete_fields = ("organisation",)
    fieldsets = (
        (None, {"fields": ("name", "organisation", "url", "is_active", "events")}),
        (
            gettext_lazy("Deliveries"),
            {
                "fields": (
                    "state",
                    "failures",
                    "paused_until",
                    "last_success_at",
                    "last_error",
                    "active_since",
                    "previous_until",
                    "created_at",
                )
            },
        ),
    )
    add_fieldsets = ((None, {"fields": ("name", "organisation", "url", "events", "is_active")}),)
    readonly_fields = (
        "state",
        "failures",
        "paused_until",
        "last_success_at",
        "last_error",
        "active_since",
        "previous_until",
        "created_at",
    )
    actions = ("new_secret", "replay_given_up")

    @admin.display(description=WebhookSubscription._meta.get_field("events").verbose_name)
    def events_shown(self, obj: WebhookSubscription) -> str:
        return ", ".join(obj.events)

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: WebhookSubscription) -> str:
        if not obj.is_active:
            return badge(_("off"), IDLE)
        return badge(_("cannot be reached"), BAD) if obj.failures else badge(_("active"), GOOD)

    def save_model(self, request: HttpRequest, obj: WebhookSubscription, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        secret = signing.give_secret(obj)
        obj.save()
        self._tell_secret(request, obj, secret)

    @admin.action(description=gettext_lazy("Make a new secret"), permissions=["change"])
    def new_secret(self, request: HttpRequest, queryset: QuerySet) -> None:
        for obj in queryset:
            secret = signing.give_secret(obj)
            obj.save(update_fields=["secret_salt", "previous_salt", "previous_until"])
            self.log_change(request, obj, _("Made a new secret."))
            self._tell_secret(request, obj, secret)

    @admin.action(description=gettext_lazy("Deliver once more what was given up"), permissions=["change"])
    def replay_given_up(self, request: HttpRequest, queryset: QuerySet) -> None:
        given_up = WebhookDelivery.objects.filter(subscription__in=queryset, state=DeliveryState.GIVEN_UP)
        _tell_replayed(self, request, replay(given_up))

    def _tell_secret(self, request: HttpRequest, obj: WebhookSubscription, secret: str) -> None:
        said = _("The secret of %(name)s is %(secret)s. Copy it now: nobody can read it afterwards.")
        self.message_user(request, said % {"name": obj.name, "secret": secret}, messages.WARNING)


@admin.register(WebhookStream)
class WebhookStreamAdmin(BoundedListMixin, EvidenceAdmin):
    list_display = ("subscription", "charge_point_link", "position", "head", "attempts", "due_at")
    list_filter = (
        linked("charge_point", ChargePoint),
        linked("subscription", WebhookSubscription),
        yes_no("waiting", gettext_lazy("something waits"), Q(position__lt=F("head"))),
    )
    list_select_related = ("subscription", "charge_point")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning.")
    fields = ("subscription", "charge_point", "position", "head", "attempts", "due_at")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(BoundedListMixin, EvidenceAdmin):
    charge_point_path = "event__charge_point"
    list_display = (
        "last_attempt_at",
        "subscription",
        "event_type",
        "charge_point_shown",
        "state_shown",
        "attempts",
        "answer",
    )
    list_display_links = ("last_attempt_at", "event_type")
    list_filter = (
        linked("subscription", WebhookSubscription),
        linked("charge_point", ChargePoint, "event__charge_point"),
        "state",
    )
    list_select_related = ("subscription", "event__charge_point")
    search_help_text = gettext_lazy("The identity of a charge point, or its beginning; an event's id.")
    fields = (
        "subscription",
        "event",
        "state_shown",
        "attempts",
        "last_attempt_at",
        "duration",
        "status_code",
        "error",
        "response",
        "replay_at",
        "replay_asked_at",
    )
    actions = ("replay_them",)

    def other(self, word: str) -> Q:
        return uuid("event__uid", word)

    @admin.display(description=Event._meta.get_field("type").verbose_name)
    def event_type(self, obj: WebhookDelivery) -> str:
        return obj.event.type

    @admin.display(description=ChargePoint._meta.verbose_name)
    def charge_point_shown(self, obj: WebhookDelivery) -> str:
        return link(obj.event.charge_point)

    @admin.display(description=WebhookDelivery._meta.get_field("state").verbose_name, ordering="state")
    def state_shown(self, obj: WebhookDelivery) -> str:
        return badge(obj.get_state_display(), STATE_TONES.get(DeliveryState(obj.state), IDLE))

    @admin.display(description=gettext_lazy("answer"))
    def answer(self, obj: WebhookDelivery) -> str:
        return obj.error or ("" if obj.status_code is None else str(obj.status_code)) or EMPTY

    @admin.display(description=WebhookDelivery._meta.get_field("duration_s").verbose_name)
    def duration(self, obj: WebhookDelivery) -> str:
        return EMPTY if obj.duration_s is None else elapsed(timedelta(seconds=obj.duration_s))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ocpp_app.change_webhookdelivery")

    @admin.action(description=gettext_lazy("Deliver once more"), permissions=["replay"])
    def replay_them(self, request: HttpRequest, queryset: QuerySet) -> None:
        _tell_replayed(self, request, replay(queryset))


def _tell_replayed(model_admin: admin.ModelAdmin, request: HttpRequest, count: int) -> None:
    said = ngettext("%(count)d event is delivered once more.", "%(count)d events are delivered once more.", count)
    model_admin.message_user(request, said % {"count": count}, messages.SUCCESS)
