"""No web server that we start keeps a body on its disk that the application would refuse."""

import re
from pathlib import Path

import pytest
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from ocpp_app import conf
from runcsms.management.commands.runcsms import FORM_BYTES
from scripts import cluster

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text()
ALLOWED = int(conf.DEFAULTS["OCPP_UPLOAD_MAX_BYTES"]) + FORM_BYTES  # type: ignore[call-overload]


def of_the_image() -> list[str]:
    (arguments,) = re.findall(r'^CMD \["waitress-serve", (.+)\]$', DOCKERFILE, re.M)
    return re.findall(r'"([^"]+)"', arguments)


def of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COUNT", "0")
    monkeypatch.setenv("SPEED", "1")
    (web,) = [program for program in cluster.cluster_programs("127.0.0.1", 1, []) if program.name == "web"]
    return list(web.command)[1:]


@pytest.mark.parametrize("of", ["image", "cluster"])
def test_body_that_would_be_refused_is_not_taken(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCPP_UPLOAD_MAX_BYTES", raising=False)
    options = of_the_image() if of == "image" else of_the_cluster(monkeypatch)
    options = [option for option in options if not option.startswith("--listen")]
    given, _application = Adjustments.parse_args(["--listen=127.0.0.1:0", *options])
    parser = HTTPRequestParser(Adjustments(max_request_body_size=given["max_request_body_size"]))
    head = b"PUT /transfer/upload/x/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    parser.received(head % (ALLOWED + 1))
    assert (parser.completed, parser.error.code) == (True, 413)
    parser = HTTPRequestParser(Adjustments(max_request_body_size=given["max_request_body_size"]))
    parser.received(head % (ALLOWED - 1))
    assert parser.error is None
