"""What the forms of the console have in common."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import QuerySet
from django.forms.utils import pretty_name
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ocpp_app.access import Access, visible
from ocpp_app.models import Organisation, Scope

FEW = 500
"""More choices than this are no list to choose from."""


class Local(forms.DateTimeInput):
    """A time in the viewer's zone, with the browser's own picker."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"step": "1"}, format="%Y-%m-%dT%H:%M:%S")


class Day(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class OwnedForm(forms.ModelForm):
    """A form of a row that belongs to an organisation: its choices are confined to it.

    A new row asks for the organisation if the visitor may choose; an old one stays where it is.
    """

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access = access
        model = self._meta.model._meta.model_name
        mine = manageable(access, f"ocpp_app.{'change' if self.instance.pk else 'add'}_{model}")
        if self.instance.pk:
            self.organisations = [self.instance.organisation]
            self.fields.pop("organisation", None)
        else:
            self.organisations = list(mine)
            field: Any = self.fields["organisation"]
            field.queryset = mine
            field.empty_label = None
            field.initial = next((one for one in self.organisations if one.is_default), None)
        for name, field in self.fields.items():
            if isinstance(field, forms.ModelChoiceField):
                if field.label == pretty_name(name):  # it has no words of its own: those of its rows
                    many = isinstance(field, forms.ModelMultipleChoiceField)
                    meta: Any = field.queryset.model._meta  # type: ignore[union-attr]
                    field.label = capfirst(meta.verbose_name_plural if many else meta.verbose_name)
                field.queryset = self._confined(field.queryset)  # type: ignore[arg-type]

    def _confined(self, rows: QuerySet) -> QuerySet:
        if rows.model is Organisation:
            return rows
        if rows.model is get_user_model():
            return members(rows, self.access)
        return visible(rows, self.access).filter(organisation__in=self.organisations)

    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        organisation = self.instance.organisation if self.instance.pk else cleaned.get("organisation")
        for name, value in list(cleaned.items()):
            if organisation and any(one.organisation_id != organisation.pk for one in _owned(value)):
                self.add_error(name, _("This belongs to another organisation. Choose one of %s.") % organisation)
        return cleaned


def manageable(access: Access, permission: str) -> QuerySet[Organisation]:
    """The organisations in which the visitor may make and change rows."""
    rows = visible(Organisation.objects.order_by("name"), access)
    if access.everywhere:
        return rows
    return rows.filter(pk__in=[key for key in access.scopes if access.may(Scope.ADMIN, permission, key)])


def members(users: QuerySet, access: Access) -> QuerySet:
    """The users that the visitor may know of: those of the same organisations."""
    organisations = access.organisations()
    ordered = users.order_by(users.model.USERNAME_FIELD)
    return (
        ordered
        if organisations is None
        else ordered.filter(ocpp_memberships__organisation__in=organisations).distinct()
    )


def _owned(value: Any) -> Iterable[Any]:
    rows = value if isinstance(value, QuerySet | list) else [value]
    return [row for row in rows if isinstance(row, models.Model) and hasattr(row, "organisation_id")]


def to_utc(text: str) -> str:
    """A time as a browser writes it, in the viewer's zone, as OCPP writes it; as it is where it is none."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return text
    aware = timezone.make_aware(given) if timezone.is_naive(given) else given
    return aware.astimezone(tz=timezone.get_fixed_timezone(0)).strftime("%Y-%m-%dT%H:%M:%SZ")
