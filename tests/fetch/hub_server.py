"""A small hub on loopback: repositories with commits and branches, files with and without LFS hashes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Files by repository, commit and name; branches by repository."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self.branches: dict[str, dict[str, str]] = {}
        self.lfs_hash: dict[str, str] = {}  # stated hashes that differ from the true, by file name
        self.served: list[str] = []

    def publish(self, repository: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit on a branch; its hash."""
        commit = hashlib.sha1(repr((repository, sorted(files.items()))).encode()).hexdigest()
        self.commits.setdefault(repository, {})[commit] = files
        self.branches.setdefault(repository, {})[branch] = commit
        return commit

    def find(self, repository: str, revision: str) -> str | None:
        commit = self.branches.get(repository, {}).get(revision, revision)
        return commit if commit in self.commits.get(repository, {}) else None

    def info(self, repository: str, commit: str) -> dict:
        siblings = []
        for name, data in self.commits[repository][commit].items():
            sibling: dict = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
            if name.endswith((".safetensors", ".bin")):
                digest = self.lfs_hash.get(name, hashlib.sha256(data).hexdigest())
                sibling["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
            siblings.append(sibling)
        return {"id": repository, "sha": commit, "siblings": siblings, "private": False, "tags": [], "downloads": 0}

    def tree(self, repository: str, commit: str) -> list[dict]:
        entries = []
        for sibling in self.info(repository, commit)["siblings"]:
            entry = {"type": "file", "path": sibling["rfilename"], "size": sibling["size"], "oid": sibling["blobId"]}
            if lfs := sibling.get("lfs"):
                entry["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
            entries.append(entry)
        return entries


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """The hub's server, at `hub.endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                repository, revision = "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main"
                commit = hub.find(repository, revision)
                if commit is None:
                    return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                answer = hub.tree(repository, commit) if "tree" in parts[4:5] else hub.info(repository, commit)
                return self.answer(200, json.dumps(answer).encode())
            repository, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            commit = hub.find(repository, revision)
            if commit is None or name not in hub.commits[repository][commit]:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            data = hub.commits[repository][commit][name]
            if self.command == "GET":
                hub.served.append(f"{repository}/{name}")
            etag = f'"{hashlib.sha256(data).hexdigest()}"'
            self.answer(200, data, {"ETag": etag, "X-Repo-Commit": commit})

        do_HEAD = do_GET

        def answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
