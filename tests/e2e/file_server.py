"""An HTTP server that hands out firmware and takes diagnostics, also from pages of other origins (CORS)."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class FileServer:
    """``files`` by path are handed out; what is put anywhere is in ``uploaded``."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.uploaded: list[bytes] = []
        uploaded = self.uploaded

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path)
                self._answer(404 if content is None else 200, content or b"")

            def do_PUT(self) -> None:
                uploaded.append(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(201)

            def do_OPTIONS(self) -> None:
                self._answer(204)

            def _answer(self, status: int, content: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Access-Control-Allow-Methods", "GET, PUT")
                self.send_header("Access-Control-Allow-Headers", "*")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
