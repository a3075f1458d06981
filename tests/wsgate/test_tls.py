"""TLS at the gateway, with real certificates: suites, client certificates, revocation, new files on demand."""

import asyncio
import contextlib
import hashlib
import shutil
import signal
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ocppj.envelope import Connect
from tests.certificates import RSA, Authority, Pair, client_context
from tests.wsgate.broker import broker_at
from tests.wsgate.process import wsgate
from tests.wsgate.site import HEARTBEAT, PATIENCE_S, Backend, Site, receive, running_site, until
from wsgate import limits
from wsgate.config import TLSConfig
from wsgate.errors import ConfigError
from wsgate.tls import TLS

FAILURES = (OSError, InvalidHandshake, ConnectionClosed, EOFError)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "ca")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("localhost")


@pytest.fixture(scope="module")
def rsa_server(authority: Authority) -> Pair:
    return authority.issue("localhost", algorithm=RSA)


def tls_of(*pairs: Pair, **files: str) -> TLSConfig:
    return TLSConfig(pairs=tuple((pair.certificate, pair.key) for pair in pairs), **files)


async def subject_seen(site: Site, context: ssl.SSLContext) -> Connect:
    async with site.connect_tls(context) as websocket:
        await websocket.send(HEARTBEAT.format("1"))
        await receive(websocket)
    return site.backend.all(Connect)[-1]


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.311")
async def test_charge_point_connects_over_tls(authority: Authority, server: Pair) -> None:
    async with running_site(tls=tls_of(server)) as site:
        request = await subject_seen(site, client_context(authority))

    assert (request.secure, request.certificate, request.remote_address) == (True, None, "127.0.0.1")


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.317")
@pytest.mark.parametrize(
    "suite",
    ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384"],
)
async def test_all_four_suites_of_the_whitepaper(
    suite: str, authority: Authority, server: Pair, rsa_server: Pair
) -> None:
    context = client_context(authority, ciphers=suite, maximum_version=ssl.TLSVersion.TLSv1_2)
    async with running_site(tls=tls_of(server, rsa_server)) as site, site.connect_tls(context) as websocket:
        ssl_object = websocket.transport.get_extra_info("ssl_object")
        assert (ssl_object.cipher()[0], ssl_object.version(), ssl_object.compression()) == (suite, "TLSv1.2", None)


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.314")
@pytest.mark.parametrize(
    "client",
    [
        pytest.param({"ciphers": "AES128-SHA"}, id="CBC suite"),
        pytest.param({"minimum_version": ssl.TLSVersion.TLSv1_1, "maximum_version": ssl.TLSVersion.TLSv1_1,
                      "ciphers": "ALL:@SECLEVEL=0"}, id="TLS 1.1"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_weak_tls_is_refused_and_counted(client: dict, authority: Authority, rsa_server: Pair) -> None:
    client = {"maximum_version": ssl.TLSVersion.TLSv1_2, **client}
    async with running_site(tls=tls_of(rsa_server)) as site:
        with pytest.raises(FAILURES):
            await site.connect_tls(client_context(authority, **client))
        await until(lambda: site.gateway.incidents.totals[limits.TLS_FAILED] == 1)
        assert site.backend.all(Connect) == []


async def test_plain_websocket_to_a_tls_port_is_dropped(authority: Authority, server: Pair) -> None:
    async with running_site(tls=tls_of(server)) as site:
        with pytest.raises(FAILURES):
            await site.connect()
        await until(lambda: site.gateway.incidents.totals[limits.TLS_FAILED] == 1)
        assert (await subject_seen(site, client_context(authority))).identity == "CP001"


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.402")
async def test_backend_hears_what_the_client_certificate_says(authority: Authority, server: Pair) -> None:
    client = authority.issue("SN0001", "Operator")
    async with running_site(tls=tls_of(server, client_ca=authority.certificate)) as site:
        request = await subject_seen(site, client_context(authority, client))
        without = await subject_seen(site, client_context(authority))

    certificate = request.certificate
    assert certificate is not None
    assert (certificate.common_names, certificate.organisations) == (("SN0001",), ("Operator",))
    assert certificate.fingerprint == fingerprint(client)
    assert certificate.serial
    assert without.certificate is None


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.407")
async def test_certificate_of_another_authority_is_refused(authority: Authority, server: Pair, tmp_path: Path) -> None:
    forged = Authority(tmp_path / "forger").issue("SN0001", "Operator")
    async with running_site(tls=tls_of(server, client_ca=authority.certificate)) as site:
        with pytest.raises(FAILURES):
            await subject_seen(site, client_context(authority, forged))
        await until(lambda: site.gateway.incidents.totals[limits.TLS_FAILED] == 1)
        assert site.backend.all(Connect) == []


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.702")
async def test_revoked_certificate_is_refused_as_soon_as_the_files_are_read_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server, good, stolen = (authority.issue(name, "Operator") for name in ("localhost", "SN0001", "SN0002"))
    tls = tls_of(server, client_ca=authority.certificate, crl=authority.revocation_list())
    async with running_site(tls=tls) as site:
        await subject_seen(site, client_context(authority, stolen))
        authority.revoke(stolen)
        authority.revocation_list()
        site.gateway.reload_certificates()
        with pytest.raises(FAILURES):
            await subject_seen(site, client_context(authority, stolen))
        assert (await subject_seen(site, client_context(authority, good))).certificate.common_names == ("SN0001",)


async def test_new_certificate_is_used_without_dropping_a_socket(
    authority: Authority, server: Pair, tmp_path: Path
) -> None:
    files = Pair(str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    install(server, files)
    async with running_site(tls=tls_of(files)) as site, site.connect_tls(client_context(authority)) as old:
        install(authority.issue("localhost"), files)
        site.gateway.reload_certificates()
        async with site.connect_tls(client_context(authority), "/ocpp/CP002") as new:
            assert served(new) != served(old)
        await old.send(HEARTBEAT.format("1"))
        assert await receive(old) == '[3,"1",{}]'


async def test_sighup_renews_the_certificates_of_a_process_and_drops_nobody(
    authority: Authority, server: Pair, tmp_path: Path, amqp_url: str, queue_name: str
) -> None:
    files = Pair(str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    install(server, files)
    options = ("--listen", "127.0.0.1:0", "--amqp-url", amqp_url, "--queue", queue_name)
    tls = ("--tls-cert", files.certificate, "--tls-key", files.key)
    async with broker_at(amqp_url, queue_name) as broker, wsgate(*options, *tls) as process:
        await broker.serve(Backend())
        url, given = f"wss://127.0.0.1:{await process.port()}/ocpp", {"ssl": client_context(authority), "proxy": None}
        async with contextlib.AsyncExitStack() as stack:
            old = [await stack.enter_async_context(connect(f"{url}/CP{number}", **given)) for number in range(20)]
            damage(files)
            process.signal(signal.SIGHUP)
            await process.says("The certificates stay as they were")
            install(authority.issue("localhost"), files)
            process.signal(signal.SIGHUP)
            await process.says("The certificates have been read again")
            new = await stack.enter_async_context(connect(f"{url}/NEW", **given))
            assert served(new) != served(old[0])
            for websocket in (*old, new):
                await websocket.send(HEARTBEAT.format("1"))
                assert await receive(websocket) == '[3,"1",{}]'


async def test_files_that_cannot_be_used_leave_the_old_ones_in_use(
    authority: Authority, server: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = Pair(str(tmp_path / "server.pem"), str(tmp_path / "server.key"))
    install(server, files)
    async with running_site(tls=tls_of(files)) as site:
        damage(files)
        site.gateway.reload_certificates()
        assert "stay as they were" in caplog.text
        assert (await subject_seen(site, client_context(authority))).secure


def test_files_that_do_not_fit_together_are_explained(authority: Authority, server: Pair, rsa_server: Pair) -> None:
    with pytest.raises(ConfigError, match=r"--tls-cert .* and --tls-key .* cannot be used"):
        TLS(tls_of(Pair(server.certificate, rsa_server.key)))


async def test_tls_handshakes_that_never_end_are_dropped(authority: Authority, server: Pair) -> None:
    async with running_site(tls=tls_of(server), handshake_timeout_s=0.2) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()
        assert site.gateway.incidents.totals[limits.SLOW_HANDSHAKE] == 1
        await until(lambda: site.gateway.sockets == 0)


async def test_data_right_behind_the_tls_handshake_is_not_lost(authority: Authority, server: Pair) -> None:
    """The opening request often lies in the same segment as the client's last TLS message."""
    context = client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    async with running_site(tls=tls_of(server)) as site:
        for _ in range(50):
            async with site.connect_tls(context) as websocket:
                await websocket.send(HEARTBEAT.format("1"))
                assert await receive(websocket) == '[3,"1",{}]'


def install(pair: Pair, files: Pair) -> None:
    shutil.copy(pair.certificate, files.certificate)
    shutil.copy(pair.key, files.key)


def fingerprint(pair: Pair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(pair.certificate).read_text())).hexdigest()


def damage(pair: Pair) -> None:
    Path(pair.certificate).write_text("half a certif")


def served(websocket) -> str:
    return websocket.transport.get_extra_info("ssl_object").getpeercert()["serialNumber"]
