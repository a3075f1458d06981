"""The garbage collector looks at everything when sockets have gone."""

import asyncio
import gc
import weakref

import pytest

from tests.wsgate.site import running_site, until
from wsgate import garbage


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def only_when_told(monkeypatch):
    monkeypatch.setattr(garbage, "INTERVAL_S", 0.01)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("gone", "standing", "collects"), [(200, 0, True), (199, 0, False), (249, 1000, False)])
async def test_everything_is_looked_at_when_enough_have_gone(only_when_told, gone, standing, collects):
    left = weakref.ref(Cycle())
    collecting = asyncio.create_task(garbage.collect(lambda: gone, lambda: standing))
    await asyncio.sleep(0.1)
    collecting.cancel()
    assert (left() is None) == collects


async def test_sockets_that_have_gone_are_counted():
    async with running_site() as site:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        async with site.connect("/ocpp/CP001"):
            await until(lambda: site.gateway.sockets == 2)
        writer.close()
        await until(lambda: site.gateway.gate.tally.gone == 2)
        assert site.gateway.sockets == 0
