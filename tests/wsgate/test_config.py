"""The command line: every option also in the environment, every mistake explained."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from wsgate.config import Address, AMQPConfig, Config, Options, TLSConfig, new_name, parse_listen, read_options
from wsgate.errors import ConfigError

OPTIONS = {
    "--listen": "0.0.0.0:9001",
    "--amqp-url": "amqps://user:secret@broker/vhost",
    "--queue": "ocpp.other",
    "--queue-type": "quorum",
    "--name": "north",
    "--max-frame-bytes": "1000",
    "--max-waiting-calls": "5",
    "--handshake-timeout": "3",
    "--connect-timeout": "4",
    "--outage-grace": "30",
    "--tls-cert": "/dev/null",
    "--tls-key": "/dev/zero",
    "--client-ca": "/dev/null",
    "--crl": "/dev/null",
    "--trusted-proxies": "10.0.0.0/8,192.0.2.7",
    "--browser-origins": "https://CSMS.example.com/,http://127.0.0.1:8000",
    "--metrics-from": "2001:db8::/32",
    "--admin-listen": "127.0.0.1:9100",
    "--max-connections-per-address": "7",
    "--max-pending-handshakes": "8",
    "--max-frames-per-second": "9.5",
    "--max-bytes-per-second": "10",
    "--failed-attempts-per-minute": "11",
    "--drain-seconds": "6.5",
    "--tracing": "0.25",
    "--log-level": "DEBUG",
    "--log-format": "json",
}
READ = Options(
    gateway=Config(
        listen=(Address("0.0.0.0", 9001),),
        name="north",
        max_frame_bytes=1000,
        max_waiting_calls=5,
        handshake_timeout_s=3,
        connect_timeout_s=4,
        outage_grace_s=30,
        drain_s=6.5,
        tracing=0.25,
        tls=TLSConfig(pairs=(("/dev/null", "/dev/zero"),), client_ca="/dev/null", crl="/dev/null"),
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32")),
        browser_origins=("https://csms.example.com", "http://127.0.0.1:8000"),
        metrics_from=(ip_network("2001:db8::/32"),),
        admin_listen=(Address("127.0.0.1", 9100),),
        max_connections_per_address=7,
        max_pending_handshakes=8,
        max_frames_per_second=9.5,
        max_bytes_per_second=10,
        failed_attempts_per_minute=11,
    ),
    amqp=AMQPConfig(url="amqps://user:secret@broker/vhost", queue="ocpp.other", queue_type="quorum"),
    log_level="DEBUG",
    log_format="json",
)


def variable(option: str) -> str:
    return "WSGATE_" + option.removeprefix("--").replace("-", "_").upper()


def test_defaults():
    assert read_options([], {}) == Options(gateway=Config(), amqp=AMQPConfig())


def test_command_line():
    assert read_options([word for pair in OPTIONS.items() for word in pair], {}) == READ


def test_environment():
    assert read_options([], {variable(option): value for option, value in OPTIONS.items()}) == READ


def test_command_line_goes_before_the_environment():
    options = read_options(
        ["--listen", "127.0.0.1:1", "--name", "line"], {"WSGATE_LISTEN": "127.0.0.1:2", "WSGATE_NAME": "environment"}
    )

    assert options.gateway.listen == (Address("127.0.0.1", 1),)
    assert options.gateway.name == "line"


def test_empty_variable_counts_as_not_set():
    assert read_options([], {"WSGATE_LISTEN": "", "WSGATE_OUTAGE_GRACE": ""}).gateway == Config()


def test_several_addresses():
    expected = (Address("127.0.0.1", 9000), Address("::", 9001), Address("", 9002))

    assert parse_listen("127.0.0.1:9000, [::]:9001,:9002") == expected
    assert read_options(["--listen", "127.0.0.1:9000", "--listen", "[::]:9001,:9002"], {}).gateway.listen == expected


@pytest.mark.parametrize("text", ["", "9000", "host", "host:port", "host:", "::1:9000", "host:65536", "host:-1"])
def test_bad_address(text, capsys):
    with pytest.raises(SystemExit) as ended:
        read_options(["--listen", text], {})

    assert ended.value.code == 2
    assert "--listen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--amqp-url", "http://broker"),
        ("--amqp-url", "broker"),
        ("--queue", "x" * 256),
        ("--queue-type", "stream"),
        ("--max-frame-bytes", "0"),
        ("--max-waiting-calls", "many"),
        ("--outage-grace", "-1"),
        ("--outage-grace", "nan"),
        ("--drain-seconds", "soon"),
        ("--tracing", "1.5"),
        ("--tracing", "nan"),
        ("--log-level", "LOUD"),
        ("--name", "two\nlines"),
    ],
)
def test_bad_value_is_named_wherever_it_stands(option, value, capsys):
    with pytest.raises(SystemExit):
        read_options([option, value], {})
    assert option in capsys.readouterr().err

    with pytest.raises(ConfigError, match=variable(option)):
        read_options([], {variable(option): value})


def test_password_in_a_bad_url_is_not_repeated(capsys):
    with pytest.raises(SystemExit):
        read_options(["--amqp-url", "http://user:secret@broker"], {})

    assert "secret" not in capsys.readouterr().err


def test_help_lists_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit):
        read_options(["--help"], {})

    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    for option in OPTIONS:
        assert option in text
    assert text.count("(default: ") == len(OPTIONS)
    assert "WSGATE_AMQP_URL" in text


def test_name_is_new_for_each_run():
    assert new_name("north") != new_name("north")
    assert new_name("north").startswith("north-")


@pytest.mark.parametrize(
    ("arguments", "explained"),
    [
        (["--tls-cert", "/dev/null"], "Every --tls-cert needs its --tls-key"),
        (["--client-ca", "/dev/null"], "need --tls-cert"),
        (["--tls-cert", "/dev/null", "--tls-key", "/dev/null", "--crl", "/dev/null"], "--crl needs --client-ca"),
    ],
)
def test_tls_options_that_need_one_another(arguments, explained):
    with pytest.raises(ConfigError, match=explained):
        read_options(arguments, {})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tls-cert", "/nowhere"],
        ["--trusted-proxies", "nginx"],
        ["--browser-origins", "https://x.org/page"],
        ["--browser-origins", "x.org"],
    ],
)
def test_file_network_or_origin_that_is_none_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        read_options(arguments, {})

    assert arguments[0] in capsys.readouterr().err


def test_secret_comes_from_a_file_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "amqp_url"
    file.write_text("amqp://me:secret@broker/\n")
    assert read_options([], {"WSGATE_AMQP_URL_FILE": str(file)}).amqp.url == "amqp://me:secret@broker/"
    with pytest.raises(ConfigError, match="WSGATE_AMQP_URL_FILE"):
        read_options([], {"WSGATE_AMQP_URL_FILE": str(tmp_path / "nothing")})
