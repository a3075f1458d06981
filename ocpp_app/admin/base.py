"""What the pages of this app have in common."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest

from ocpp_app.admin.deletion import what_is_deleted
from ocpp_app.admin.display import moment


class SecondsMixin(BaseModelAdmin):
    """Shows every time to the second, in lists and where it is read-only; Django's own format stops at minutes."""

    opts: Any
    add_fieldsets: tuple[Any, ...] = ()
    """What the page for a new object shows, where that is less than the page of an old one."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [self._to_the_second(name) for name in super().get_readonly_fields(request, obj)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        adding = obj is None and self.add_fieldsets
        fieldsets = self.add_fieldsets if adding else super().get_fieldsets(request, obj)
        read_only = self._read_only_names(request, obj, fieldsets)
        return [
            (title, {**options, "fields": [self._shown(name, read_only) for name in options["fields"]]})
            for title, options in fieldsets
        ]

    def _read_only_names(self, request: HttpRequest, obj: Any, fieldsets: Any) -> set[Any]:
        if obj is not None and not self.has_change_permission(request, obj):
            return set(flatten_fieldsets(fieldsets))
        return set(super().get_readonly_fields(request, obj))

    def _shown(self, name: Any, read_only: set[Any]) -> Any:
        if isinstance(name, tuple):  # several on one line
            return tuple(self._shown(one, read_only) for one in name)
        return self._to_the_second(name) if name in read_only else name

    def _to_the_second(self, name: Any) -> Any:
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return name
        return moment(field) if isinstance(field, models.DateTimeField) else name


class SuperusersOnly(BaseModelAdmin):
    """Not for staff, whatever its permissions: these pages know no organisations. The API and the console do."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)


def is_superuser(request: HttpRequest) -> bool:
    """Whether somebody may use the admin of this app."""
    return bool(request.user.is_active and request.user.is_superuser)


class Admin(SuperusersOnly, SecondsMixin, admin.ModelAdmin):
    """A page that saves only the columns its form changed: workers write live state into the same rows meanwhile."""

    class Media:
        css = {"all": ("ocpp_app/admin.css",)}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._to_the_second(name) for name in super().get_list_display(request)]

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        if change:
            obj.save(update_fields=self.changed_columns(obj, form))
        else:
            obj.save()

    def changed_columns(self, obj: Any, form: ModelForm) -> list[str]:
        """The columns that ``form`` gave new values."""
        columns = {field.name for field in obj._meta.concrete_fields}
        return [name for name in form.changed_data if name in columns]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return what_is_deleted(list(objs), self, request)


class EvidenceAdmin(Admin):
    """Rows that say what happened: nobody adds, changes or deletes them here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyFormSet(BaseInlineFormSet):
    """The newest rows of an inline, at most ``limit``; what a browser sends for them is ignored.

    Rows come and go while the page is open, so the sent forms need not be the present rows.
    """

    limit = 10

    def __init__(self, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def get_queryset(self) -> Any:
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[: self.limit]
        return self._newest

    def is_valid(self) -> bool:
        return True

    def save(self, commit: bool = True) -> list[Any]:
        self.new_objects: list[Any] = []
        self.changed_objects: list[Any] = []
        self.deleted_objects: list[Any] = []
        return []


class ReadOnlyInline(SecondsMixin, admin.TabularInline):
    """A list on the page of what its rows belong to."""

    formset = ReadOnlyFormSet
    classes = ("ocpp-list",)
    extra = 0
    max_num = 0
    can_delete = False
    select_related: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [self._to_the_second(name) for name in self.fields or ()]

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super().get_queryset(request).select_related(*self.select_related)
            if self.select_related
            else super().get_queryset(request)
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
