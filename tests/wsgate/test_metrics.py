"""What a gateway says of itself: /metrics, /readyz, and the port of its own for those who look after it."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from ocppj.envelope import Connect, ConnectReply, Frame
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Site, receive, running_site, until
from wsgate.config import Address
from wsgate.metrics import DEFINITIONS

ANYWHERE = (Address("127.0.0.1", 0),)


async def get(site: Site, path: str, *, admin: bool = True, method: str = "GET") -> tuple[int, str]:
    port = (site.gateway.admin_addresses if admin else site.gateway.addresses)[0].port
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
    return int(head.split()[1]), body


async def samples(site: Site) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    _, text = await get(site, "/metrics")
    families = text_string_to_metric_families(text)
    return {(each.name, *each.labels.values()): each.value for found in families for each in found.samples}


async def test_what_a_charge_point_does_is_counted():
    async with running_site(admin_listen=ANYWHERE) as site:
        async with site.connect() as charge_point:
            for number in range(3):
                await charge_point.send(HEARTBEAT.format(number))
                await receive(charge_point)
            await site.command("our-1")
            await receive(charge_point)
            await charge_point.send('[3,"our-1",{"status":"Accepted"}]')
            await charge_point.send('[3,"nobody-asked",{}]')
            await site.backend.wait_for(Frame, 5)
            found = await samples(site)
        await until(lambda: site.gateway.connections == 0)
        gone = await samples(site)

    assert found["wsgate_connections",] == 1
    assert found["wsgate_handshakes_total", "101"] == 1
    kinds = ("call", "answer", "unexpected", "written")
    assert [found["wsgate_frames_total", kind] for kind in kinds] == [3, 1, 1, 4]
    assert found["wsgate_received_bytes_total",] > found["wsgate_sent_bytes_total",] > 60
    assert found["wsgate_relay_latency_seconds_count",] >= 3
    assert found["wsgate_relay_latency_seconds_bucket", "+Inf"] == found["wsgate_relay_latency_seconds_count",]
    assert found["wsgate_batch_requests_sum",] >= found["wsgate_batch_requests_count",] > 3
    assert found["wsgate_commands_total", "sent"] == 1
    assert found["wsgate_broker_connected",] == found["wsgate_backend_up",] == 1
    assert found["process_open_fds",] > 3
    assert (gone["wsgate_connections",], gone["wsgate_disconnects_total", "1000"]) == (0, 1)


async def test_handshakes_are_counted_by_what_they_were_answered():
    async with running_site(admin_listen=ANYWHERE) as site:
        site.backend.on_connect = lambda request: [ConnectReply(request.relay_id, False, status=401)]
        await refused_with(site, "401")
        await refused_with(site, "404", "/")
        await get(site, "/healthz", admin=False)
        found = await samples(site)

    statuses = {key[1]: value for key, value in found.items() if key[0] == "wsgate_handshakes_total"}
    assert statuses["503"] == 0  # there from the start, for alerts to see it grow
    assert {status: count for status, count in statuses.items() if count} == {
        "401": 1,
        "404": 1,
    }  # who looks at a page is no charge point


async def test_requests_without_a_reply_have_an_age_and_are_repeated():
    async with running_site(admin_listen=ANYWHERE, retry_after_s=0.02) as site, site.connect() as charge_point:
        site.backend.silent = {Frame}
        await charge_point.send(HEARTBEAT.format(1))
        await site.backend.wait_for(Frame, 2)
        found = await samples(site)
    assert found["wsgate_unanswered_requests",] == 1
    assert found["wsgate_oldest_unanswered_seconds",] >= 0.02
    assert found["wsgate_repeated_requests_total",] >= 1


async def test_every_metric_is_there_and_means_what_the_table_says():
    async with running_site(admin_listen=ANYWHERE) as site:
        _, text = await get(site, "/metrics")
    for definition in DEFINITIONS:
        family = definition.name.removesuffix("_total")
        assert f"# TYPE {definition.name} {definition.kind}" in text or f"# TYPE {family} {definition.kind}" in text
        assert definition.words in text


async def test_it_is_ready_while_the_backend_answers_and_it_is_not_leaving():
    async with running_site(admin_listen=ANYWHERE, outage_grace_s=0.05, connect_timeout_s=0.2) as site:
        await until(lambda: site.gateway.is_broker_connected and not site.gateway.unanswered)
        assert await get(site, "/readyz") == await get(site, "/readyz", admin=False) == (200, "ok\n")

        site.backend.silent = {Connect}
        asker = asyncio.create_task(refused_with(site, "503"))
        await until(lambda: site.gateway.is_backend_down)
        status, text = await get(site, "/readyz")
        assert (status, text) == (503, "backend: it has not answered for longer than is borne\n")
        assert (await get(site, "/healthz"))[0] == 200  # restarting it would help nobody
        await asker

        site.gateway.pages.is_leaving = True
        assert "it is leaving" in (await get(site, "/readyz"))[1]


async def refused_with(site: Site, status: str, path: str = "/ocpp/CP001") -> None:
    with pytest.raises(InvalidStatus, match=status):
        async with site.connect(path):
            pass


async def test_its_own_port_shows_nothing_else():
    async with running_site(admin_listen=ANYWHERE) as site:
        assert (await get(site, "/ocpp/CP001"))[0] == 404
        assert (await get(site, "/metrics", method="POST"))[0] == 405
        assert await get(site, "/metrics", method="HEAD") == (200, "")
    async with running_site() as site:
        assert site.gateway.admin_addresses == []
