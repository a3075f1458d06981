"""Pages of the admin that are a form and what came of it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def form_page(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    template: str,
    form: forms.Form,
    *,
    title: str,
    submit: str,
    **context: Any,
) -> TemplateResponse:
    """The page ``admin/ocpp_app/<template>`` around the form, among the pages of the model."""
    site = model_admin.admin_site
    request.current_app = site.name
    opts = model_admin.opts
    shown = {
        **site.each_context(request),
        "title": title,
        "submit": submit,
        "form": form,
        "opts": opts,
        "list_url": f"admin:{opts.app_label}_{opts.model_name}_changelist",
        "media": model_admin.media,
        **context,
    }
    return TemplateResponse(request, f"admin/ocpp_app/{template}", shown)
