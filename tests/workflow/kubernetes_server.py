"""A stand-in for a Kubernetes cluster: it answers what Snakemake's executor asks, and runs a job's command here."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


class Cluster:
    """What was asked of it.

    Attributes:
        jobs: bodies of the jobs, by name, in the order of their submission.
        codes: exit codes of those that have ended.
        address: of its server.
    """

    def __init__(self, workdir: Path, environment: dict[str, str]) -> None:
        """Pods start in the empty folder `workdir`, with `environment`."""
        self.workdir, self.environment = workdir, environment
        self.jobs: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, int] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.address = ""

    def submit(self, body: dict[str, Any]) -> None:
        """Take a job and run it."""
        name = body["metadata"]["name"]
        self.jobs[name] = body
        threading.Thread(target=self._run, args=(name,), daemon=True).start()

    def _run(self, name: str) -> None:
        (container,) = self.jobs[name]["spec"]["template"]["spec"]["containers"]
        values = self.environment | {
            entry["name"]: self.secrets[entry["valueFrom"]["secretKeyRef"]["name"]][
                entry["valueFrom"]["secretKeyRef"]["key"]
            ]
            for entry in container.get("env") or []
        }
        done = subprocess.run([*container["command"], *container["args"]], cwd=self.workdir, env=values)
        self.codes[name] = done.returncode


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, value: dict[str, Any], code: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.split("?")[0].endswith("/secrets"):
            self.cluster.secrets[body["metadata"]["name"]] = {
                key: base64.b64decode(value).decode() for key, value in (body.get("data") or {}).items()
            }
        else:
            self.cluster.submit(body)
        self._answer(body, 201)

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.endswith("/pods"):
            self._answer({"kind": "PodList", "apiVersion": "v1", "items": []})
            return
        name = path.removesuffix("/status").split("/")[-1]
        code = self.cluster.codes.get(name)
        status = {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
        self._answer({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": name}, "status": status})


@contextmanager
def cluster(folder: Path, environment: dict[str, str]) -> Iterator[Cluster]:
    """Serve on loopback; `folder` gets `kubeconfig` and the pods' empty folder."""
    (folder / "workdir").mkdir()
    result = Cluster(folder / "workdir", environment)
    handler = type("Handler", (_Handler,), {"cluster": result})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        result.address = f"http://127.0.0.1:{server.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": result.address}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield result
        server.shutdown()
