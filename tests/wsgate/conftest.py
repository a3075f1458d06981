"""Coroutine tests, each in an event loop of its own, and a queue for each test."""

import asyncio
import inspect
from uuid import uuid4

import pytest


@pytest.fixture
def queue_name() -> str:
    """A name for the workers' queue that nobody else uses on this broker."""
    return f"ocpp.rpc.test.{uuid4().hex}"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
