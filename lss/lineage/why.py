"""`lss why`: the chain from a result down to the raw files, as an indented tree."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lss.errors import LssError
from lss.lineage.chain import Chain, command_of
from lss.lineage.raw import RawFiles
from lss.lineage.records import Record
from lss.lineage.rows import Scope
from lss.storage.io import sha256_file

FEW = 3
"""So many files of one stage are listed by name; of more, their number and one SHA-256."""
WIDTH = 120


def why_text(
    file: str,
    chain: Chain,
    raw: dict[str, list[RawFiles]],
    scope: Scope,
    *,
    all_files: bool = False,
    root: Path = Path(),
) -> str:
    """Return the tree.

    Args:
        file: a result, or any file of the chain; its path from the project's folder `root`.
        chain: what the run's manifests state.
        raw: the raw files of its cohorts, by the manifest of the job that listed them.
        scope: which inputs the answer covers; `Scope()` for all of them.
        all_files: list every file, instead of number and SHA-256 where there are many.

    Raises LssError where no manifest states what made `file`, or where a manifest on the way is missing.
    """
    if file not in chain.makers:
        raise LssError(
            f"{file}: no manifest of this run states what made it. Name a file that a stage wrote, "
            "as in `lss why results/tables/table2_segmentation.csv`; `lss verify` says what is missing."
        )
    return "\n".join([*_tree([file], chain, raw, scope, all_files, 0, set(), root)])


def _tree(
    files: list[str],
    chain: Chain,
    raw: dict[str, list[RawFiles]],
    scope: Scope,
    all_files: bool,
    depth: int,
    seen: set[str],
    root: Path,
) -> Iterator[str]:
    """Yield lines on `files`, and below them on what they were made from; what was shown before is named only."""
    for stage, made in _by_stage(files, chain).items():
        new = [file for file in made if file not in seen]
        if not new:
            yield _line(depth, f"{_name(made)}: shown above")
            continue
        seen.update(new)
        yield from (_line(depth, text) for text in _files(new, chain, all_files, root))
        if stage is None:
            yield _line(depth + 1, "made by no stage: from outside")
            continue
        records = list({chain.makers[file].manifest: chain.makers[file] for file in new}.values())
        known = seen.issuperset(record.manifest for record in records)  # of another of their files
        seen.update(record.manifest for record in records)
        yield from _made_by(stage, records, depth + 1, settings=not known)
        if known:
            continue
        if stage == "cohort":
            for record in records:
                for archive in raw[record.manifest]:
                    yield from _raw(archive, record, all_files, depth + 1)
            continue
        if stage == "weights":
            sources = ", ".join(sorted({record.facts.get("source", "unknown") for record in records}))
            words = {
                "tiny": "drawn by this program from the seed",
                "published": "copies of the published files, as set",
            }
            yield _line(depth + 1, words.get(sources, sources))
        inputs = dict.fromkeys(path for record in records for path in record.inputs if scope.keeps(path))
        yield from _tree(list(inputs), chain, raw, scope, all_files, depth + 1, seen, root)


def _by_stage(files: Iterable[str], chain: Chain) -> dict[str | None, list[str]]:
    """Return files by the stage that made them (None: from outside), the last stage of the chain first."""
    files_of: dict[str | None, list[str]] = {}
    for file in files:
        maker = chain.makers.get(file)
        files_of.setdefault(maker.stage if maker else None, []).append(file)
    order = list(dict.fromkeys(record.stage for record in chain.records.values()))
    return dict(sorted(files_of.items(), key=lambda item: -order.index(item[0]) if item[0] else 1))


def _files(files: list[str], chain: Chain, all_files: bool, root: Path) -> Iterator[str]:
    stated = {file: _hash(file, chain, root) for file in sorted(files)}
    if all_files or len(files) <= FEW:
        yield from (f"{file}  sha256 {digest}" for file, digest in stated.items())
    else:
        yield f"{_name(files)}  {len(files)} files, sha256 over all {_digest(stated)}"


def _hash(file: str, chain: Chain, root: Path) -> str:
    """Return the hash that its maker's manifest states; that of a manifest or a file from outside is taken now."""
    maker = chain.makers.get(file)
    if maker is not None and file in maker.outputs:
        return maker.outputs[file]
    try:
        return sha256_file(root / file)
    except OSError:
        read = (record.inputs[file] for record in chain.records.values() if file in record.inputs)
        return next(read, "not here")


def _digest(stated: dict[str, str]) -> str:
    lines = (f"{digest} {file}\n" for file, digest in stated.items())
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _name(files: list[str]) -> str:
    """Return the files' common folder, with an ellipsis where they are several."""
    if len(files) == 1:
        return files[0]
    folders = {str(Path(file).parent) for file in files}
    if len(folders) == 1:
        return f"{folders.pop()}/..."
    parts = [file.split("/") for file in files]
    shared = [names[0] for names in zip(*parts, strict=False) if len(set(names)) == 1]
    return "/".join([*shared[: min(len(part) for part in parts) - 1], "..."])


def _made_by(stage: str, records: list[Record], depth: int, *, settings: bool) -> Iterator[str]:
    commits = sorted({record.commit or "outside git" for record in records})
    finished = sorted(record.finished for record in records)
    when = finished[0] if finished[0] == finished[-1] else f"{finished[0]} to {finished[-1]}"
    jobs = command_of(records[0].manifest) if len(records) == 1 else f"lss {stage}, {len(records)} jobs"
    seeds = ", ".join(sorted({str(record.seed) for record in records}))
    above = "" if settings else "; settings and inputs: shown above"
    yield _line(depth, f"by {jobs}; commit {', '.join(commits)}; {when}; seed {seeds}{above}")
    if not settings:
        return
    sections = {yaml.safe_dump(record.settings, sort_keys=True): record.settings for record in records}
    for values in sections.values():
        text = ", ".join(f"{name}: {value}" for section in values.items() for name, value in _flat(*section))
        if text:
            indent = "  " * (depth + 1)
            yield textwrap.fill(f"with {text}", WIDTH, initial_indent="  " * depth, subsequent_indent=indent,
                                break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield settings by dotted name; nothing for an empty section."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, yaml.safe_dump(value, default_flow_style=True, width=10**6).split("\n...")[0].strip()


def _raw(raw: RawFiles, cohort: Record, all_files: bool, depth: int) -> Iterator[str]:
    """Yield the raw files: DICOM, and the table of notes. Named only from the owner's list."""
    facts = raw.stated(cohort.facts)
    drawn = "drawn by this program" if facts.get("cohort") == "phantom" else "as their owner keeps them"
    what = f"{facts.get('files')} raw files ({_kinds(raw)}{facts.get('bytes', 0):,} bytes)"
    yield _line(depth, f"{raw.root}/...  {what}, {drawn}, sha256 over all {facts.get('sha256')}")
    if not raw.files:
        yield _line(depth + 1, f"their names and hashes stand in {raw.listing}, which is not here")
    elif all_files:
        yield from (_line(depth + 1, f"{file.path}  sha256 {file.sha256 or 'could not be read'}") for file in raw.files)
    else:
        yield _line(depth + 1, f"each of them: --files, or {raw.listing}")


def _kinds(raw: RawFiles) -> str:
    """Say how many files of which ending, the most frequent ones."""
    counts: dict[str, int] = {}
    for file in raw.files:
        suffix = Path(file.path).suffix.lower() or "no ending"
        counts[suffix] = counts.get(suffix, 0) + 1
    named = sorted(counts.items(), key=lambda item: -item[1])[:4]
    return "".join(f"{count} {suffix}, " for suffix, count in named)


def _line(depth: int, text: str) -> str:
    return "  " * depth + text
