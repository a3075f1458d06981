"""A form for any message that a central system sends, made from its type."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.utils.translation import gettext_lazy as _

from ocppj.assignments import message_from, words_of
from ocppj.documentation import FieldDocumentation, describe
from ocppj.errors import PayloadError
from ocppj.messages import Request, Structure
from ocppj.protocol import ActionSpec, Sender
from ocppj.versions import PROTOCOLS

UNSET = ("", "---------")


def specs() -> dict[str, ActionSpec]:
    """The actions that a central system sends, by name."""
    found = {str(name): spec for protocol in PROTOCOLS.values() for name, spec in protocol.actions.items()}
    return {name: found[name] for name in sorted(found) if found[name].sender is not Sender.charge_point}


class ActionForm(forms.Form):
    """Which message it is to be."""

    ocpp_action = forms.ChoiceField(label=_("Command"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, spec in specs().items():
            groups.setdefault(str(spec.profile), []).append((name, name))
        field: Any = self.fields["ocpp_action"]
        field.choices = list(groups.items())


class MessageForm(forms.Form):
    """The fields of one message, named as in the specification; ``message`` is what a valid form makes of them.

    A field inside of another is named by its path; a list of plain values has one on each line, a list of objects is
    written as JSON.
    """

    message: Request

    def __init__(self, spec: ActionSpec, data: Any = None) -> None:
        super().__init__(data, prefix="message")
        self.spec = spec
        self._paths = dict(_leaves(spec.request))
        for path, (field, required) in self._paths.items():
            self.fields[path] = _form_field(path, field, required=required)

    def clean(self) -> Any:
        cleaned = super().clean()
        if not self.errors:
            try:
                self.message = message_from(self.spec.request, self._assignments())
            except PayloadError as error:
                path = re.sub(r"\[\d+\].*", "", error.field)
                self.add_error(path if path in self.fields else None, error.description)
        return cleaned

    def _assignments(self) -> Iterator[str]:
        for path, (field, _required) in self._paths.items():
            value = self.cleaned_data.get(path)
            if value in (None, ""):
                continue
            text = value.isoformat() if isinstance(value, datetime) else str(value)
            several = text.splitlines() if field.many and field.struct is None else [text]
            yield from (f"{path}={each.strip() if field.many else each}" for each in several if each.strip())


def _leaves(
    structure: type[Structure], prefix: str = "", *, required: bool = True
) -> Iterator[tuple[str, tuple[FieldDocumentation, bool]]]:
    for field in describe(structure):
        is_required = required and field.required
        if field.struct is not None and not field.many:
            yield from _leaves(field.struct, f"{prefix}{field.wire}.", required=is_required)
        else:
            yield f"{prefix}{field.wire}", (field, is_required)


def _form_field(path: str, field: FieldDocumentation, *, required: bool) -> forms.Field:
    common: dict[str, Any] = {"label": path, "required": required, "help_text": _help(field)}
    if field.many:
        return forms.CharField(**common, widget=forms.Textarea(attrs={"rows": 4, "cols": 60}), strip=False)
    match field.kind:
        case "enum":
            assert field.enum is not None
            words = [(word, word) for word in words_of(field.enum)]
            return forms.ChoiceField(**common, choices=words if required else [UNSET, *words])
        case "boolean":
            answers: list[Any] = [("true", _("Yes")), ("false", _("No"))]
            return forms.ChoiceField(**common, choices=answers if required else [UNSET, *answers])
        case "integer":
            return forms.IntegerField(**common, min_value=field.minimum)
        case "decimal":
            return forms.DecimalField(**common)
        case "date-time":
            return forms.SplitDateTimeField(**common, widget=AdminSplitDateTime)
        case _:
            # A text area for what is longer than a line: keys of certificates, vendors' data.
            long = field.max_length is None or field.max_length > 255
            widget: Any = forms.Textarea(attrs={"rows": 4, "cols": 60}) if long else forms.TextInput(attrs={"size": 60})
            return forms.CharField(**common, max_length=field.max_length, strip=False, widget=widget)


def _help(field: FieldDocumentation) -> str:
    words = [field.text]
    if field.unit:
        words.append(f"({field.unit})")
    if field.many and field.struct is not None:
        names = ", ".join(inner.wire for inner in describe(field.struct))
        words.append(str(_("A JSON list of objects with: %s.") % names))
    elif field.many:
        words.append(str(_("One on each line.")))
    return " ".join(filter(None, words))
