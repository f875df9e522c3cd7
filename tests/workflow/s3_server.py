"""An S3 server of this machine, for tests of remotes."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from project_copy import run

BUCKET = "lss"


@contextmanager
def s3_server() -> Iterator[str]:
    """Serve an empty bucket on loopback, with credentials for it in the environment; give the server's URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "test")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("NO_PROXY", "127.0.0.1")
            # moto's buckets belong to the process: another test's would still hold its objects
            urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
            boto3.client("s3", endpoint_url=url).create_bucket(Bucket=BUCKET)
            yield url
    finally:
        server.stop()


def add_remote(project: Path, url: str) -> None:
    """Make the bucket the default remote of a project."""
    run(project, "dvc", "remote", "add", "--default", "ours", f"s3://{BUCKET}/lumbar")
    run(project, "dvc", "remote", "modify", "ours", "endpointurl", url)


def stored(url: str) -> int:
    """How many objects, up to 1000, the bucket holds."""
    return int(boto3.client("s3", endpoint_url=url).list_objects_v2(Bucket=BUCKET)["KeyCount"])
