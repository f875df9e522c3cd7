"""Listing the files of a dataset on Mendeley Data through its public interface.

    GET {base}/datasets/{dataset}/files?folder_id=root&version={version}
    [{"filename": ..., "id": ..., "content_details": {"sha256_hash": ..., "size": ..., "download_url": ...}}, ...]

The form is taken from public programs that use it; this project's authors could not try the live service. Addresses
in the answer may expire, so a listing serves one download and is asked for anew for the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch

from pydantic import BaseModel, TypeAdapter, ValidationError

from lss import __version__
from lss.errors import LssError
from lss.fetch.sources import Source

BASE = "https://data.mendeley.com/public-api"
USER_AGENT = f"lss/{__version__} (research software; fetches a published dataset)"


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded: `size` in bytes and `sha256` where the publisher states them."""

    name: str
    url: str
    size: int | None
    sha256: str | None


class _Details(BaseModel):
    download_url: str
    size: int | None = None
    sha256_hash: str | None = None


class _Entry(BaseModel):
    filename: str
    content_details: _Details


def list_files(source: Source, base: str = BASE) -> list[RemoteFile]:
    """Return all files at the root of a dataset.

    Raises LssError when the service cannot be reached or answers otherwise than expected, and for a file name that
    would leave the folder.
    """
    import httpx2
    from huggingface_hub.utils import http_backoff

    url = f"{base}/datasets/{source.dataset}/files"
    by_hand = f"Or {source.recipe}."
    try:
        answer = http_backoff(
            "GET", url, params={"folder_id": "root", "version": source.version},
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"}, timeout=60,
        )  # fmt: skip
        answer.raise_for_status()
        entries = TypeAdapter(list[_Entry]).validate_json(answer.content)
    except (httpx2.HTTPError, OSError) as error:
        raise LssError(f"{url}: cannot be listed ({_first_line(error)}). Check the network. {by_hand}") from error
    except ValidationError as error:
        raise LssError(f"{url}: answers in another form than expected ({_first_line(error)}). {by_hand}") from error
    for entry in entries:
        _check_name(entry.filename, url)
    return [
        RemoteFile(e.filename, e.content_details.download_url, e.content_details.size, e.content_details.sha256_hash)
        for e in entries
    ]


def wanted_files(source: Source, base: str = BASE) -> list[RemoteFile]:
    """Return those files of a dataset that `source.patterns` name; of a source with a member, the first that has it.

    Raises LssError when none does.
    """
    files = list_files(source, base)
    by_pattern = [
        [file for file in files if fnmatch(file.name.lower(), pattern.lower())] for pattern in source.patterns
    ]
    candidates = sorted((file for matching in by_pattern for file in matching), key=lambda file: file.name)
    if not candidates:
        names = ", ".join(file.name for file in files) or "nothing"
        raise LssError(
            f"{source.page}: none of its files is called {' or '.join(source.patterns)}; it holds {names}. Download by "
            "hand what fits, and tell the authors of this program."
        )
    return next(matching for matching in by_pattern if matching)[:1] if source.member else candidates


def _check_name(name: str, url: str) -> None:
    if not name or name.startswith(".") or any(mark in name for mark in ("/", "\\", "\0", "..")):
        raise LssError(f"{url}: lists a file called {name!r}, which would not stay in its folder. Nothing was fetched.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
