"""A webhook receiver in a process of its own: writes down what it gets, verifies nothing, answers as it is told.

``python tests/ocpp_app/events/receiver.py <port> <file> [status]``
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        got = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()}
        with self.file.open("a") as file:
            file.write(json.dumps(got) + "\n")
        self.send_response(self.status)
        if 300 <= self.status < 400:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64


if __name__ == "__main__":
    Handler.file = Path(sys.argv[2])
    Handler.status = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
