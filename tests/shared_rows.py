"""Rows that all tests of a module share: made once, each test leaves them as they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def shared_rows(blocker: Any) -> Iterator[None]:
    """What is written inside, before the tests, stays until the end: in a transaction around those of the tests.

    ``blocker``: pytest-django's ``django_db_blocker``. For a fixture of a module, none of whose tests commits.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
