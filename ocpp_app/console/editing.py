"""Rows that people make, change and delete: one way for all of them."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from ocpp_app.access import organisation_id_of
from ocpp_app.console.visitor import require, show
from ocpp_app.models import Scope


def edit(
    request: Any,
    form: Any,
    *,
    heading: str,
    section: str,
    save: Callable[[], Any],
    text: str = "",
    delete_url: str = "",
) -> HttpResponseBase:
    """The page of the form; saved, the list that the row is in, or what ``save`` answers."""
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                answer = save()
        except IntegrityError:
            form.add_error(None, _("There is one with this name already. Choose another one."))
        else:
            if isinstance(answer, HttpResponseBase):
                return answer
            messages.success(request, _("Saved."))
            return redirect(f"console:{section}")
    context = {
        "form": form,
        "heading": heading,
        "text": text,
        "submit": _("Save"),
        "section": section,
        "back": f"console:{section}",
        "delete_url": delete_url,
    }
    return show(request, "form.html", context)


def require_to_add(request: Any, model: type[models.Model]) -> None:
    """Refuse whoever administers no organisation."""
    if not request.access.may_somewhere(Scope.ADMIN, f"ocpp_app.add_{model._meta.model_name}"):
        raise PermissionDenied(_("This needs the role “admin” in an organisation."))


def require_in(request: Any, row: models.Model, verb: str) -> None:
    """Refuse what the visitor may not do in the row's organisation; also for one that is yet to be saved."""
    if not request.access.may(Scope.ADMIN, f"ocpp_app.{verb}_{row._meta.model_name}", organisation_id_of(row)):
        raise PermissionDenied(_("This needs the role “admin” in the organisation."))


def delete(request: Any, row: models.Model, section: str, consequences: list[str]) -> HttpResponseBase:
    """Ask, and delete what nothing else needs."""
    require(request, Scope.ADMIN, row, f"ocpp_app.delete_{row._meta.model_name}")
    if request.method == "POST":
        try:
            row.delete()
        except ProtectedError as error:
            kinds = sorted({str(one._meta.verbose_name_plural) for one in error.protected_objects})
            messages.error(request, _("It is still needed by: %s.") % ", ".join(kinds))
        else:
            messages.success(request, _("Deleted."))
        return redirect(f"console:{section}")
    context = {
        "heading": _("Delete %s?") % row,
        "consequences": consequences,
        "section": section,
        "back_url": reverse(f"console:{section}"),
    }
    return show(request, "delete.html", context)
