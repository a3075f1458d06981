"""The idTags that may charge: list, forms, and CSV in and out."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocpp_app.access import visible
from ocpp_app.console.editing import delete as ask_to_delete
from ocpp_app.console.editing import edit, require_in, require_to_add
from ocpp_app.console.forms import Local, OwnedForm, manageable, members
from ocpp_app.console.lists import page_of
from ocpp_app.console.visitor import ConsoleRequest, find, show, signed_in
from ocpp_app.models import IdTag, Scope, key_of
from ocpp_app.tag_csv import COLUMNS, MAX_BYTES, export_tags
from ocpp_app.tag_import import import_tags

PROBLEMS_SHOWN = 200


class TagForm(OwnedForm):
    """A tag; its parent and its owner are named, since there may be thousands to choose from."""

    parent_name = forms.CharField(
        label=gettext_lazy("Parent idTag"),
        required=False,
        max_length=20,
        help_text=IdTag._meta.get_field("parent").help_text,
    )
    owner_name = forms.CharField(
        label=gettext_lazy("Owner"), required=False, max_length=150, help_text=gettext_lazy("A user name.")
    )

    class Meta:
        model = IdTag
        fields = (
            "id_tag",
            "organisation",
            "parent_name",
            "expires_at",
            "is_blocked",
            "concurrent_limit",
            "groups",
            "owner_name",
            "tariff",
            "note",
        )
        widgets = {"expires_at": Local(), "note": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.parent is not None:
            self.initial.setdefault("parent_name", self.instance.parent.id_tag)
        if self.instance.owner is not None:
            self.initial.setdefault("owner_name", self.instance.owner.get_username())
        self.order_fields(self.Meta.fields)

    def clean(self) -> Any:
        cleaned = super().clean()
        organisation = self.instance.organisation if self.instance.pk else cleaned.get("organisation")
        same_name = IdTag.objects.filter(organisation=organisation, key=key_of(cleaned.get("id_tag") or ""))
        if same_name.exclude(pk=self.instance.pk).exists():
            self.add_error("id_tag", _("The organisation has this idTag already; upper and lower case are the same."))
        self._clean_parent(organisation, cleaned)
        self._clean_owner(cleaned)
        return cleaned

    def _clean_parent(self, organisation: Any, cleaned: dict[str, Any]) -> None:
        name = cleaned.get("parent_name")
        found = IdTag.objects.filter(organisation=organisation, key=key_of(name)).first() if name else None
        if name and found is None:
            self.add_error("parent_name", _("The organisation has no such idTag. Make it first."))
        elif found is not None and found.pk == self.instance.pk:
            self.add_error("parent_name", _("A tag cannot be its own parent."))
        self.instance.parent = found

    def _clean_owner(self, cleaned: dict[str, Any]) -> None:
        name, users = cleaned.get("owner_name"), get_user_model()
        found = (
            members(users._default_manager.all(), self.access).filter(**{users.USERNAME_FIELD: name}).first()
            if name
            else None
        )
        if name and found is None:
            self.add_error("owner_name", _("No member of your organisations has this user name."))
        self.instance.owner = found


@signed_in
def tags(request: ConsoleRequest) -> HttpResponse:
    """Search and filter."""
    text, state = request.GET.get("q", "").strip()[:100].replace("\0", ""), request.GET.get("state", "")
    rows = visible(IdTag.objects.select_related("parent", "owner", "organisation"), request.access)
    if text:
        rows = rows.filter(Q(id_tag__icontains=text) | Q(note__icontains=text))
    if state == "blocked":
        rows = rows.filter(is_blocked=True)
    elif state == "expired":
        rows = rows.filter(expires_at__lte=timezone.now())
    context = {
        "page": page_of(rows.order_by("id_tag", "pk"), request),
        "text": text,
        "state": state,
        "states": [("", _("All")), ("blocked", _("Blocked")), ("expired", _("Expired"))],
        "may_add": request.access.may_somewhere(Scope.ADMIN, "ocpp_app.add_idtag"),
    }
    return show(request, "tags.html", context)


@signed_in
def add(request: ConsoleRequest) -> HttpResponseBase:
    require_to_add(request, IdTag)
    form = TagForm(request.POST if request.method == "POST" else None, access=request.access)
    return edit(request, form, heading=_("A new idTag"), section="tags", save=form.save)


@signed_in
def change(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, IdTag.objects.select_related("organisation", "parent", "owner"), pk=pk)
    require_in(request, row, "change")
    form = TagForm(request.POST if request.method == "POST" else None, instance=row, access=request.access)
    return edit(request, form, heading=row.id_tag, section="tags", save=form.save, delete_url="console:tag-delete")


@signed_in
def delete(request: ConsoleRequest, pk: int) -> HttpResponseBase:
    row = find(request, IdTag.objects.all(), pk=pk)
    return ask_to_delete(
        request,
        row,
        "tags",
        [_("Nobody can charge with it any more. Its transactions stay. To keep it, block it instead.")],
    )


# -- CSV -----------------------------------------------------------------------------------------------------


class ImportForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV in UTF-8. The first line names the columns; only id_tag must be there."),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
    )
    organisation: Any = forms.ModelChoiceField(label=gettext_lazy("Organisation"), queryset=None, empty_label=None)
    dry_run = forms.BooleanField(
        label=gettext_lazy("Only check"), required=False, help_text=gettext_lazy("Says what would happen.")
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than %d MB. Import it in parts.") % (MAX_BYTES // 10**6))
        return file


@signed_in
def bring_in(request: ConsoleRequest) -> HttpResponseBase:
    """Import a file: all of it, or nothing and everything that is wrong with it."""
    require_to_add(request, IdTag)
    form = ImportForm(request.POST if request.method == "POST" else None, request.FILES or None)
    form.fields["organisation"].queryset = manageable(request.access, "ocpp_app.add_idtag")  # type: ignore[attr-defined]
    report = None
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        report = import_tags(data["organisation"], data["file"].read(), dry_run=data["dry_run"])
        if not report.problems and not report.is_dry_run:
            counts = {"new": len(report.created), "changed": len(report.changed), "same": report.unchanged}
            messages.success(request, _("%(new)d are new, %(changed)d changed, %(same)d stayed as they were.") % counts)
            return redirect("console:tags")
    return show(request, "tags_import.html", {"form": form, "report": report, "columns": COLUMNS, "section": "tags"})


@signed_in
def export(request: ConsoleRequest) -> StreamingHttpResponse:
    """All tags that the visitor sees, as the import takes them."""
    lines = export_tags(visible(IdTag.objects.order_by("id_tag", "pk"), request.access))
    response = StreamingHttpResponse(
        ("\ufeff" * (not number) + line for number, line in enumerate(lines)), content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="id-tags.csv"'
    return response
