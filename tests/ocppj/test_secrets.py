"""What a log shows of frames that carry secrets."""

import json

import pytest

from ocppj.secrets import redacted_answer, redacted_call, shown_location

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
        ("DataTransfer", '{"data":"ftp://u:p@h/"}', '{"data":"ftp://u:p@h/"}'),
        ("GetLog", '{"log":null}', '{"log":null}'),
    ],
)
def test_frame_of_ours_is_logged_without_the_secret_of_its_address(action: str, payload: str, shown: str) -> None:
    assert redacted_call(f'[2,"1","{action}",{payload}]'.encode()).decode() == f'[2,"1","{action}",{shown}]'


def test_call_error_that_repeats_the_address_is_logged_without_its_secret() -> None:
    url = f"https://csms.example/transfer/upload/{TOKEN}/"
    frame = json.dumps([4, "1", "GenericError", f"No route to {url}, gave up.", {"url": url}]).encode()
    shown = "https://csms.example/transfer/upload/…/"
    logged = json.loads(redacted_answer(frame))
    assert logged == [4, "1", "GenericError", f"No route to {shown}, gave up.", {"url": shown}]
    told = b'[3,"1",{"status":"Accepted"}]'
    assert redacted_answer(told) is told
