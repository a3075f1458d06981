"""The first login of the admin, which `make run` makes and prints."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model

from scripts.first_login import ensure_login

pytestmark = pytest.mark.django_db


def test_first_login_works_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    note = tmp_path / "first_login"
    username, password = ensure_login(note)
    user = authenticate(username=username, password=password)
    assert user is not None
    assert user.is_superuser
    assert stat.S_IMODE(note.stat().st_mode) == 0o600


def test_second_start_shows_the_same_login(tmp_path: Path) -> None:
    note = tmp_path / "first_login"
    assert ensure_login(note) == ensure_login(note)
    assert get_user_model().objects.count() == 1


def test_password_that_somebody_has_changed_is_not_shown(tmp_path: Path) -> None:
    note = tmp_path / "first_login"
    username, _ = ensure_login(note)
    user = get_user_model().objects.get(username=username)
    user.set_password("chosen by a person")
    user.save()
    assert ensure_login(note) == (username, "-")


def test_site_with_a_superuser_of_its_own_gets_no_other(tmp_path: Path) -> None:
    get_user_model().objects.create_superuser("ada", "", "chosen by a person")
    assert ensure_login(tmp_path / "first_login") == ("ada", "-")
