"""Who may do what where: memberships, and organisations."""

import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.access import visible
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import edit, require_in, require_to_add
from ocpp_app.console.forms import manageable
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, show, signed_in
from ocpp_app.models import Membership, Organisation, Role, Scope

PASSWORD_BYTES = 12


class MemberForm(forms.Form):
    """Somebody becomes a member; who has no account yet is given one."""

    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=150,
        help_text=gettext_lazy("Nobody of this name yet: an account is made, and its password shown once."),
    )
    organisation: Any = forms.ModelChoiceField(label=gettext_lazy("Organisation"), queryset=None, empty_label=None)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)

    def clean(self) -> Any:
        cleaned = super().clean() or {}
        member = Membership.objects.filter(organisation=cleaned.get("organisation"))
        if member.filter(**{f"user__{get_user_model().USERNAME_FIELD}": cleaned.get("username")}).exists():
            self.add_error("username", _("This user is a member already. Change the role in the list."))
        return cleaned


class RoleForm(forms.ModelForm):
    class Meta:
        model = Membership
        fields = ("role",)


class OrganisationForm(forms.ModelForm):
    class Meta:
        model = Organisation
        fields = ("name", "slug")


@signed_in
def people(request: ConsoleRequest) -> HttpResponse:
    """The members of the organisations that the visitor administers."""
    require_to_add(request, Membership)
    mine = manageable(request.access, "ocpp_app.view_membership")
    rows = Membership.objects.filter(organisation__in=mine).select_related("user", "organisation")
    context = {
        "page": page_of(rows.order_by("organisation__name", "user__pk"), request),
        "organisations": mine[:100],
        "may_found": request.access.everywhere,
    }
    return show(request, "people.html", context)


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    require_to_add(request, Membership)
    form = MemberForm(request.POST if request.method == "POST" else None)
    form.fields["organisation"].queryset = manageable(request.access, "ocpp_app.add_membership")  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        password = _join(form.cleaned_data)
        if password:
            context = {
                "secret": password,
                "what": _("password of %s") % form.cleaned_data["username"],
                "section": "people",
                "back": "console:people",
            }
            return show(request, "secret.html", context)
        messages.success(request, _("Saved."))
        return redirect("console:people")
    context = {
        "form": form,
        "heading": _("A new member"),
        "submit": _("Add"),
        "section": "people",
        "back": "console:people",
    }
    return show(request, "form.html", context)


@transaction.atomic
def _join(data: dict[str, Any]) -> str:
    """The password of an account that was made; empty where there was one."""
    users = get_user_model()
    user, password = users._default_manager.filter(**{users.USERNAME_FIELD: data["username"]}).first(), ""
    if user is None:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = users(**{users.USERNAME_FIELD: data["username"]})
        user.set_password(password)
        user.save()
    Membership.objects.create(user=user, organisation=data["organisation"], role=data["role"])
    return password


@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, Membership.objects.select_related("user", "organisation"), pk=pk)
    require_in(request, row, "change")
    form = RoleForm(request.POST if request.method == "POST" else None, instance=row)
    heading = _("%(user)s in %(organisation)s") % {"user": row.user, "organisation": row.organisation}
    return edit(request, form, heading=heading, section="people", save=form.save, delete_url="console:member-delete")


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, Membership.objects.select_related("user", "organisation"), pk=pk)
    return ask_to_delete(
        request, row, "people", [_("The account stays; it sees nothing of this organisation any more.")]
    )


@signed_in
def found(request: ConsoleRequest) -> HttpResponseBase:
    """A new organisation."""
    if not request.access.everywhere:
        raise PermissionDenied(_("Organisations are made by superusers."))
    form = OrganisationForm(request.POST if request.method == "POST" else None)
    return edit(request, form, heading=_("A new organisation"), section="people", save=form.save)


@signed_in
def organisation(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, visible(Organisation.objects.all(), request.access), Scope.ADMIN, pk=pk)
    form = OrganisationForm(request.POST if request.method == "POST" else None, instance=row)
    return edit(request, form, heading=row.name, section="people", save=form.save)
