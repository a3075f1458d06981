"""A form for any OCPP message, made from its type: labels, help, limits, enumerations as choices, nested parts.

An input's name is the path of its field, as people type it in a shell (``ocppj.assignments``): a submitted form is a
list of assignments, and the message type itself says what is wrong with them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from ocpp_app.console.forms import to_utc
from ocppj.assignments import message_from, words_of
from ocppj.documentation import FieldDocumentation, describe, label_of
from ocppj.errors import PayloadError
from ocppj.messages import Request, Structure

PAYLOAD = "as-json"
"""The name of the box for the whole payload."""
MAY_BE_EMPTY = frozenset({("ChangeConfiguration", "value")})
"""Required texts that are sent empty: a configuration key is cleared by it."""
MOST_ITEMS = 500


@dataclass(slots=True)
class Input:
    """One field as the template shows it. ``path`` is the input's name; ``parts`` are the fields of an object,
    ``items`` those of each item of a list, ``blank`` an item to be copied."""

    path: str
    documentation: FieldDocumentation
    value: str = ""
    error: str = ""
    is_required: bool = False
    parts: list["Input"] = field(default_factory=list)
    items: list[list["Input"]] = field(default_factory=list)
    blank: list["Input"] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    offers: list[Any] = field(default_factory=list)

    @property
    def id(self) -> str:
        return "f-" + re.sub(r"[^A-Za-z0-9_]", "-", self.path)

    @property
    def label(self) -> str:
        return label_of(self.documentation)

    @property
    def kind(self) -> str:
        if self.documentation.many and not self.path.endswith("]"):
            return "list"
        return self.documentation.kind

    @property
    def limits(self) -> str:
        """What the type allows, in words."""
        document = self.documentation
        parts = [_("in %s") % document.unit] if document.unit else []
        parts += [_("at least %d") % document.minimum] if document.minimum is not None else []
        parts += [_("at most %d characters") % document.max_length] if document.max_length is not None else []
        parts += [_("at most one digit after the point")] if document.kind == "decimal" else []
        parts += [_("at least %d of them") % document.min_items] if document.min_items and document.many else []
        return ", ".join(parts)

    @property
    def is_open(self) -> bool:
        """Whether an optional part is to be shown unfolded."""
        return self.is_required or any(one.value or one.error or one.is_open_inside for one in self.parts)

    @property
    def is_open_inside(self) -> bool:
        return bool(self.items) or any(one.value or one.error or one.is_open_inside for one in self.parts)

    @property
    def is_long(self) -> bool:
        return self.documentation.kind == "string" and (self.documentation.max_length or 1000) > 255


class TypedForm:
    """The form of a message type, with what was submitted (or proposed in the address), and what is wrong with it."""

    def __init__(self, message_type: type[Request], given: Mapping[str, str], offers: Mapping[str, list[Any]]) -> None:
        self.message_type = message_type
        self.action = str(message_type.action)
        self.error = ""
        self.payload = given.get(PAYLOAD, "")
        self._given = given
        self._offers = offers
        self.inputs = self._inputs(message_type, "", is_required=True)

    def message(self) -> Request | None:
        """The message; None where its type forbids what was submitted: then the form says what and where."""
        assignments = list(self._assignments(self.message_type, "", ""))
        try:
            return message_from(
                self.message_type, [f"{path}={text}" for _name, path, text in assignments], self.payload
            )
        except PayloadError as error:
            self.refuse(error.field, error.description)
        return None

    def refuse(self, path: str, text: str) -> None:
        """Put the error where it belongs: at the field, or at the nearest part around it."""
        text = text.removeprefix(f"{path}: ")
        name = place = self._renumbered.get(path, path)
        while place:
            found = self._find(self.inputs, place)
            if found is not None:
                found.error = text if place == name else f"{path}: {text}"
                return
            place = re.sub(r"(\[\w+\]|\.?[^.\[\]]+)$", "", place)
        self.error = f"{path}: {text}" if path else text

    # -- inside --------------------------------------------------------------------------------------------------

    def _inputs(self, structure: type[Structure], prefix: str, *, is_required: bool) -> list[Input]:
        return [self._input(document, f"{prefix}{document.wire}", is_required) for document in describe(structure)]

    def _input(self, document: FieldDocumentation, path: str, is_required: bool) -> Input:
        wanted = is_required and document.required and (self.action, path) not in MAY_BE_EMPTY
        made = Input(path, document, is_required=wanted)
        if document.many:
            indices = self._indices(path) or (["0"] if wanted else [])
            made.items = [self._item(document, f"{path}[{index}]") for index in indices]
            made.blank = self._item(document, f"{path}[__N__]")
        elif document.struct is not None:
            made.parts = self._inputs(document.struct, f"{path}.", is_required=wanted)
        else:
            self._fill(made)
        return made

    def _item(self, document: FieldDocumentation, path: str) -> list[Input]:
        if document.struct is not None:
            return self._inputs(document.struct, f"{path}.", is_required=True)
        return [self._fill(Input(path, document))]

    def _fill(self, made: Input) -> Input:
        document = made.documentation
        made.value = self._given.get(made.path, "")
        made.choices = words_of(document.enum) if document.enum is not None else []
        made.offers = self._offers.get(document.wire, [])
        return made

    def _indices(self, path: str) -> list[str]:
        """The items of a list that were submitted, in their order."""
        pattern = re.compile(re.escape(path) + r"\[(\w{1,9})\]")
        found = [match[1] for match in map(pattern.match, self._given) if match]
        return [index for index in dict.fromkeys(found) if index != "__N__"][:MOST_ITEMS]

    def _assignments(self, structure: type[Structure], read: str, write: str) -> Iterator[tuple[str, str, str]]:
        """What was filled in: the input's name, the path in the message (its items counted anew), the text."""
        for document in describe(structure):
            name, path = f"{read}{document.wire}", f"{write}{document.wire}"
            if not document.many:
                yield from self._filled(document, name, path)
                continue
            number = 0
            for index in self._indices(name):
                filled = list(self._filled(document, f"{name}[{index}]", f"{path}[{number}]"))
                yield from filled
                number += bool(filled)

    def _filled(self, document: FieldDocumentation, name: str, path: str) -> Iterator[tuple[str, str, str]]:
        if document.struct is not None:
            yield from self._assignments(document.struct, f"{name}.", f"{path}.")
            return
        text = self._given.get(name, "")
        if text.strip() or (name in self._given and (self.action, name) in MAY_BE_EMPTY and not self.payload.strip()):
            yield name, path, to_utc(text) if document.kind == "date-time" else text

    @property
    def _renumbered(self) -> dict[str, str]:
        return {path: name for name, path, _text in self._assignments(self.message_type, "", "")}

    def _find(self, inputs: list[Input], path: str) -> Input | None:
        for one in inputs:
            if one.path == path:
                return one
            found = self._find([*one.parts, *(part for item in one.items for part in item)], path)
            if found is not None:
                return found
        return None
