"""Which charge points something is for: a group, or these identities."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.access import visible
from ocpp_app.console.charge_points import chosen
from ocpp_app.console.forms import FEW
from ocpp_app.models import ChargePoint, ChargePointGroup

MOST = 1000
"""More at once are a group's work."""
_BETWEEN = re.compile(r"[\s,;]+")


class TargetsForm(forms.Form):
    """Either a group, or identities; of an organisation that the visitor may see."""

    group = forms.ModelChoiceField(
        label=gettext_lazy("Group"),
        required=False,
        queryset=ChargePointGroup.objects.none(),
        help_text=gettext_lazy("All of its charge points. Empty: those below."),
    )
    identities = forms.CharField(
        label=gettext_lazy("Charge points"),
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("Their identities, with spaces or on lines of their own."),
    )

    def __init__(self, request: Any, **kwargs: Any) -> None:
        kwargs.setdefault("data", request.POST if request.method == "POST" else None)
        if "as_targets" in request.GET and request.method != "POST":  # from the list, with its filter
            names = chosen(request).order_by("identity").values_list("identity", flat=True)
            kwargs.setdefault("initial", {"identities": "\n".join(names[:MOST])})
        super().__init__(**kwargs)
        self.access = request.access
        field: Any = self.fields["group"]
        groups = visible(ChargePointGroup.objects.order_by("name"), request.access)
        field.queryset = groups.filter(pk__in=groups.values("pk")[:FEW])

    def clean_identities(self) -> list[ChargePoint]:
        names = list(dict.fromkeys(filter(None, _BETWEEN.split(self.cleaned_data["identities"]))))
        if len(names) > MOST:
            raise forms.ValidationError(_("These are more than %d. Make a group of them, and choose it.") % MOST)
        rows = visible(ChargePoint.objects.filter(identity__in=names), self.access)
        found = {row.identity: row for row in rows}
        missing = [name for name in names if name not in found]
        if missing:
            raise forms.ValidationError(_("There is no charge point %s. Correct or remove it.") % missing[0][:50])
        return list(found.values())

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and bool(cleaned.get("group")) == bool(cleaned.get("identities")):
            raise forms.ValidationError(_("Choose a group, or name charge points: one of the two."))
        return cleaned
