"""A server on loopback that behaves as badly as a test wants: it drops, ignores ranges, forgets addresses."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Publisher:
    """What is published, how the server behaves, and what was asked of it."""

    def __init__(self) -> None:
        self.base = ""
        self.files: dict[str, bytes] = {}
        self.hashes: dict[str, str | None] = {}  # stated ones that differ from the true
        self.drop_after: list[int] = []  # bytes after which the next answers break off
        self.honours_range = True
        self.good_token = 0  # addresses carry a number; those with another have expired
        self.hands_out: int | None = None  # another number, handed out at the next listing only
        self.requests: list[tuple[str, dict[str, str]]] = []

    def listing(self) -> list[dict[str, Any]]:
        token = self.good_token if self.hands_out is None else self.hands_out
        self.hands_out = None
        return [
            {
                "filename": name,
                "id": f"id-{number}",
                "content_details": {
                    "sha256_hash": self.hashes.get(name, hashlib.sha256(data).hexdigest()),
                    "size": len(data),
                    "download_url": f"{self.base}/download/{number}?token={token}",
                },
            }
            for number, (name, data) in enumerate(self.files.items())
        ]

    def ranges(self) -> list[str | None]:
        """The Range of every download that was asked for."""
        return [headers.get("range") for path, headers in self.requests if path.startswith("/download")]


@contextmanager
def running(publisher: Publisher) -> Iterator[Publisher]:
    """The publisher's server, at `publisher.base`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            publisher.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if "/datasets/" in self.path:
                self.answer(200, json.dumps(publisher.listing()).encode())
            elif not self.path.endswith(f"?token={publisher.good_token}"):
                self.answer(403, b"expired")
            else:
                self.send_file(list(publisher.files.values())[int(self.path.split("/")[-1].split("?")[0])])

        def send_file(self, data: bytes) -> None:
            wanted = self.headers.get("Range")
            if wanted and publisher.honours_range:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                self.answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
            else:
                self.answer(200, data)

        def answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.path.startswith("/download") and status != 403 and publisher.drop_after:
                self.wfile.write(data[: publisher.drop_after.pop(0)])
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    publisher.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
