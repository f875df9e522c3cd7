from __future__ import annotations

from collections.abc import Iterator

import huggingface_hub.constants
import pytest
from mendeley_server import Publisher, running


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # only loopback is reached
    # of a break at most a piece of this size is lost; 10 MB are more than a test's whole file
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 2**16)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with running(Publisher()) as one:
        yield one
