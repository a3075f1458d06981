"""Tests that commit leave nothing behind, and take away nothing that others find."""

from typing import Any

from django.contrib.auth.models import Permission
from django.core.management import call_command

from ocpp_app.models import IdTag, Organisation
from tests.ocpp_app.conftest import commits


@commits
def test_rows_of_migrations_are_there_again_after_the_database_was_emptied() -> None:
    found: dict[Any, Any] = {model: list(model.objects.values()) for model in (Organisation, IdTag, Permission)}
    assert [row["key"] for row in found[IdTag]] == ["ANONYMOUS"]
    IdTag.objects.create(id_tag="left behind")
    IdTag.objects.filter(key="ANONYMOUS").update(is_blocked=True)
    call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
    assert {model: list(model.objects.values()) for model in found} == found
