"""What a log shows of frames that carry secrets."""

import json
import time

import pytest

from ocppj.secrets import names_secret, redacted, redacted_call, shown_location, without_one_time_addresses

TOKEN = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ftp://user:pass@files.example/fw.bin", "ftp://user:…@files.example/fw.bin"),
        ("ftp://user:pa/ss@files.example/fw.bin", "ftp://user:…@files.example/fw.bin"),
        ("https://a-token-alone@files.example/fw.bin", "https://…@files.example/fw.bin"),
        ("user:pass@files.example/fw.bin", "user:…@files.example/fw.bin"),
        (f"https://csms.example/transfer/upload/{TOKEN}/", "https://csms.example/transfer/upload/…/"),
        (f"https://csms.example/transfer/upload/{TOKEN}", "https://csms.example/transfer/upload/…"),
        (f"https://csms.example/firmware/{TOKEN}/ac-2.4.1.bin", "https://csms.example/firmware/…/ac-2.4.1.bin"),
        ("https://bucket.example/fw.bin?X-Signature=abc&b=c", "https://bucket.example/fw.bin?…"),
        ("https://files.example:8443/models/AC22/fw_2.4.1.bin", "https://files.example:8443/models/AC22/fw_2.4.1.bin"),
        ("ftp://files.example/", "ftp://files.example/"),
        ("", ""),
    ],
)
def test_address_is_shown_without_what_lets_somebody_in(url: str, shown: str) -> None:
    assert shown_location(url) == shown
    assert shown_location(shown) == shown


@pytest.mark.parametrize(
    ("action", "payload", "shown"),
    [
        ("GetDiagnostics", '{"location":"ftp://u:p@h/"}', '{"location":"ftp://u:…@h/"}'),
        ("UpdateFirmware", '{"location":"ftp://u:p@h/"}', '{"location":"ftp://u:…@h/"}'),
        ("GetLog", '{"log":{"remoteLocation":"ftp://u:p@h/"}}', '{"log":{"remoteLocation":"ftp://u:…@h/"}}'),
        (
            "SignedUpdateFirmware",
            '{"requestId":1,"firmware":{"location":"ftp://u:p@h/"}}',
            '{"requestId":1,"firmware":{"location":"ftp://u:…@h/"}}',
        ),
        ("DataTransfer", '{"data":"ftp://u:p@h/"}', '{"data":"ftp://u:…@h/"}'),
        ("ChangeConfiguration", '{"key":"WifiPsk","value":"hunter2"}', '{"key":"WifiPsk","value":"********"}'),
        ("ChangeConfiguration", '{"key":"Mapping","value":"hunter2"}', '{"key":"Mapping","value":"hunter2"}'),
        ("GetLog", '{"log":null}', '{"log":null}'),
    ],
)
def test_frame_of_ours_is_logged_without_the_secret_of_its_address(action: str, payload: str, shown: str) -> None:
    assert redacted_call(f'[2,"1","{action}",{payload}]'.encode()).decode() == f'[2,"1","{action}",{shown}]'


def test_call_error_that_repeats_the_address_is_logged_without_its_secret() -> None:
    url = f"https://csms.example/transfer/upload/{TOKEN}/"
    frame = json.dumps([4, "1", "GenericError", f"No route to {url}, gave up.", {"url": url}]).encode()
    shown = "https://csms.example/transfer/upload/…/"
    logged = json.loads(redacted(frame))
    assert logged == [4, "1", "GenericError", f"No route to {shown}, gave up.", {"url": shown}]
    told = b'[3,"1",{"status":"Accepted"}]'
    assert redacted(told) is told


ONE_TIME = f"onetime_{TOKEN}"
OURS = f"https://csms.example/transfer/upload/{ONE_TIME}/"
SHOWN = "https://csms.example/transfer/upload/…/"


def written_out(frame: str) -> bytes:
    return frame.replace("OURS", OURS).replace("ONCE", ONE_TIME).replace("SHOWN", SHOWN).encode()


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ('[3,"1",{"fileName":"OURS"}]', '[3,"1",{"fileName":"SHOWN"}]'),
        ('[3,"1",{"fileName":"ftp://u:p@h/x.log"}]', '[3,"1",{"fileName":"ftp://u:…@h/x.log"}]'),
        (r'[3,"1",{"fileName":"ftp:\/\/u:p@h\/x.log"}]', '[3,"1",{"fileName":"ftp://u:…@h/x.log"}]'),
        ('[2,"1","X",{"techInfo":"no route to OURS, bye"}]', '[2,"1","X",{"techInfo":"no route to SHOWN, bye"}]'),
        ('[2,"1","X",{"info":"ONCE.log"}]', '[2,"1","X",{"info":"….log"}]'),
        (f'[2,"1","X",{{"info":"upload%2Fonetime%5f{TOKEN}"}}]', '[2,"1","X",{"info":"upload%2F…"}]'),
        (rf'[2,"1","X",{{"info":"\u006fnetime_{TOKEN}"}}]', '[2,"1","X",{"info":"…"}]'),
        ('[2,"1","X",{"info":"ONCE', '[2,"1","X",{"info":"…'),
        ('[2,"1","MeterValues",{"v":"https://h/?a=ONCE"}]', '[2,"1","MeterValues",{"v":"https://h/?a=…"}]'),
        ('[2,"1","MeterValues",{"v":"https://h/?a=b"}]', '[2,"1","MeterValues",{"v":"https://h/?a=b"}]'),
        ('[2,"1","X",{"info":"Onetime, and more"}]', '[2,"1","X",{"info":"Onetime, and more"}]'),
        ('[4,"1","E","AuthorizationKey: abc is short",{}]', '[4,"1","E","AuthorizationKey********",{}]'),
        ('[3,"1",{"unknownKey":["AuthorizationKey"]}]', '[3,"1",{"unknownKey":["AuthorizationKey"]}]'),
        ('[3,"1",{"x":[{"key":"SimPin","value":"12"}]}]', '[3,"1",{"x":[{"key":"SimPin","value":"********"}]}]'),
    ],
)
def test_address_that_a_charge_point_repeats_is_logged_without_its_secret(told: str, shown: str) -> None:
    assert redacted(written_out(told)) == written_out(shown)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ('[3,"1",{"fileName":"OURS"}]', '[3,"1",{"fileName":"SHOWN"}]'),
        (rf'[2, "1", "X", {{"info": "\u006fnetime_{TOKEN}"}}]', '[2,"1","X",{"info":"…"}]'),
        ('[3,"1",{"configurationKey":[{"key":"SimPin","value":"12"}]}]',) * 2,
        ('[3, "1", {"data":"ftp://u:p@h/?a=b", "n": 1.10}]',) * 2,
        (r'[2, "1", "X", {"info": "\u00e4", "n": 1.10}]',) * 2,
    ],
)
def test_address_of_ours_is_hidden_and_nothing_else_changes(told: str, kept: str) -> None:
    assert without_one_time_addresses(written_out(told)) == written_out(kept)


@pytest.mark.parametrize(
    "text", ["a" * 250_000, "a:" * 125_000, "://" * 80_000, "a/" * 125_000, "AuthorizationKey" * 15_000, "//@" * 80_000]
)
def test_long_frames_are_searched_quickly(text: str) -> None:
    """Searched from each letter to the end, one of these held a worker up for minutes."""
    started = time.monotonic()
    for frame in (f'[4,"1","GenericError","{text} ://",{{}}]', f'[4,"1","GenericError","{text} :// key'):
        redacted(frame.encode())
        without_one_time_addresses(frame.encode() + rb"\u0041")
    assert time.monotonic() - started < 5


SECRET = (
    "AuthorizationKey authorizationkey WifiPassword wifi_password WiFiPSK WifiPsk wpapsk WIFI_PSK psk WPA2PSK SimPin "
    "SIM_PIN simpin PINCode pin SimPuk ApnPwd apnpwd FtpPass FTP_PASS ftpPasswd ClientSecret"
    " Com.Vendor.ApiKey AccessToken"
)  # fmt: skip
OPEN = (
    "Mapping PhaseMapping Stopping StopSkipped WebSocketPingInterval ping Pinging SpinUp Pineapple BypassMode Bypass "
    "PassThroughMode Compass Monkey KeyCount IdTokenLength LocalPreAuthorize AuthorizationCacheEnabled"
)


@pytest.mark.parametrize("name", SECRET.split())
def test_key_that_holds_a_secret(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", OPEN.split())
def test_key_that_holds_none(name: str) -> None:
    assert not names_secret(name)
