"""One file from a server to its place: resumed after a break, checked by hash, written down."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.fetch.mendeley import USER_AGENT, RemoteFile
from lss.storage.io import read_json, sha256_file, write_json

RECORD = "fetched.json"
"""Beside the fetched files: where each is from, its size and hash, and whether the publisher states that hash
("known") or it was only written down ("recorded")."""

_EXPIRED = (401, 403, 404, 410)
_ATTEMPTS = 3


def fetch_file(listed: Callable[[], RemoteFile], folder: Path, page: str) -> Path:
    """Download one file into `folder`, or find that it is there already.

    What is not complete lies beside it as `NAME.part`; a later call goes on from there.

    Args:
        listed: asks the publisher for the file's present address; called again when an address has expired.
        folder: where the file and `fetched.json` go.
        page: of the dataset, for the record.

    Raises:
        LssError: the download broke, the disk is too small, the hash is another than the publisher states or than
            was recorded at an earlier time, or another file of this name lies there.
    """
    remote = listed()
    target = folder / remote.name
    recorded = read_record(folder).get(remote.name, {}).get("sha256")
    if recorded and remote.sha256 and recorded != remote.sha256:
        raise LssError(
            f"{page}: {remote.name}: its publisher states the hash {remote.sha256[:12]}..., {folder / RECORD} holds "
            f"{recorded[:12]}... of an earlier time: the published file has changed. To take the new one, move "
            f"{target} and its entry in {RECORD} away."
        )
    expected = remote.sha256 or recorded
    if target.exists():
        digest = sha256_file(target)
        if expected and digest != expected:
            raise LssError(
                f"{target}: is another file than the published one (hash {digest[:12]}..., should be "
                f"{expected[:12]}...). Move it away and run the command again."
            )
    else:
        part = target.with_name(f"{remote.name}.part")
        folder.mkdir(parents=True, exist_ok=True)
        _check_space(part, remote.size)
        _download(remote, listed, part)
        digest = sha256_file(part)
        if expected and digest != expected:
            part.unlink()
            raise LssError(
                f"{page}: {remote.name}: what arrived has the hash {digest[:12]}..., should be {expected[:12]}.... It "
                "was deleted; run the command again. If it happens twice, the published file or the network is wrong."
            )
        part.replace(target)
    note_file(folder, target, digest, page, remote.url, known=remote.sha256 is not None)
    return target


def _download(remote: RemoteFile, listed: Callable[[], RemoteFile], part: Path) -> None:
    """Fill `part`, from where it ends."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get

    reason = ""
    for _ in range(_ATTEMPTS):
        present = part.stat().st_size if part.exists() else 0
        if remote.size is not None and present > remote.size:
            part.unlink()
            present = 0
        try:
            with part.open("ab") as file:
                http_get(
                    remote.url, file, resume_size=present, expected_size=remote.size, displayed_filename=remote.name,
                    # no compression on the way: sizes and ranges are those of the file
                    headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                )  # fmt: skip
            return
        except HfHubHTTPError as error:
            reason = f"the server answers {error.response.status_code}"
            if error.response.status_code not in _EXPIRED:
                break
            remote = listed()
        except (httpx2.HTTPError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    size = part.stat().st_size if part.exists() else 0
    raise LssError(
        f"{remote.name}: the download broke after {size:,} bytes ({reason}). Run the command again: it goes on "
        "from there."
    )


def _check_space(part: Path, size: int | None) -> None:
    missing = (size or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise LssError(
            f"{part.parent}: {missing / 1e9:.2f} GB are still to come, {free / 1e9:.2f} GB are free. Make room, or "
            "name another folder in params.yaml."
        )


def read_record(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `fetched.json` of a folder says of each file; {} where there is none."""
    return read_json(folder / RECORD)["files"] if (folder / RECORD).is_file() else {}


def note_file(folder: Path, file: Path, sha256: str, page: str, url: str, *, known: bool, **more: Any) -> None:
    """Write a file into the record of its folder; the address without what makes it expire."""
    entry = {
        "page": page,
        "url": url.split("?")[0],
        "bytes": file.stat().st_size,
        "sha256": sha256,
        "hash": "known" if known else "recorded",
        **more,
    }
    files = read_record(folder)
    if files.get(file.name) != entry:
        write_json(folder / RECORD, {"files": {**files, file.name: entry}})
