"""Walk the lineage of all results down to the raw files, and name where it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lss.lineage.chain import Chain, command_of, read_chain
from lss.lineage.hashes import Hashes
from lss.lineage.raw import RawFiles, is_outside, read_raw
from lss.lineage.records import Record
from lss.project import layout
from lss.project.code import dvc_stages
from lss.project.params import Params
from lss.project.published import private_paths


@dataclass(frozen=True)
class Break:
    """A place where the chain from a result to the raw files does not hold.

    Attributes:
        file: that differs from its record, or has none.
        what: what is wrong, in words.
        stated_by: the manifest (for a raw file, the owner's list) that says what the file should be.
        expected, actual: SHA-256, or None where there is none.
        made_by: the command that makes the file, or its owner.
        remedy: what to do.
    """

    file: str
    what: str
    stated_by: str
    expected: str | None
    actual: str | None
    made_by: str
    remedy: str

    def __str__(self) -> str:
        """Return the break as several lines of text."""
        lines = [f"BREAK  {self.file}: {self.what}", f"  stated by  {self.stated_by}"]
        if self.expected or self.actual:
            lines += [f"  expected   {self.expected or 'nothing'}", f"  found      {self.actual or 'no file'}"]
        return "\n".join([*lines, f"  made by    {self.made_by}", f"  remedy     {self.remedy}"])


@dataclass(frozen=True)
class Verified:
    """What a walk found.

    Attributes:
        breaks: in the order of the chain: the first one is nearest to the raw files.
        files: how many files were hashed, raw ones among them.
        raw: how many of them are raw files.
        records: how many manifests were read.
        notes: what could not be looked at here, which is no break.
    """

    breaks: list[Break]
    files: int
    raw: int
    records: int
    notes: list[str] = field(default_factory=list)


def verify(params: Params, root: Path = Path()) -> Verified:
    """Compare the raw files and all files in the run's manifests with the hashes stated there.

    Args:
        params: the settings of params.yaml, which say which manifests there should be.
        root: the project's folder.
    """
    chain, raw = read_chain(params, root), read_raw(params, root)
    hashes = Hashes(root, private_paths(params.model_dump(mode="json")))
    archives = [(manifest, archive) for manifest, of_cohort in raw.items() for archive in of_cohort]
    originals = [file.path for _, archive in archives if archive.here for file in archive.files]
    stated = {path: None for record in chain.records.values() for path in (*record.inputs, *record.outputs)}
    hashes.read([*originals, *stated], "hashing")
    breaks = [found for manifest, archive in archives for found in _raw_breaks(archive, chain, manifest, hashes)]
    for manifest in chain.order:
        if manifest in chain.missing:
            breaks.append(_no_manifest(manifest, chain.missing[manifest]))
        else:
            breaks += _record_breaks(chain.records[manifest], chain, hashes, params)
    notes = []
    for _, archive in archives:
        if archive.digest is None:
            notes.append(f"{archive.listing} is not here: the chain ends at the one hash over all raw files.")
        elif not archive.here:
            notes.append(f"{archive.root}/ is not here: the raw files were not read, their list was.")
    return Verified(breaks, len(originals) + len(stated), len(originals), len(chain.records), notes)


def _raw_breaks(raw: RawFiles, chain: Chain, manifest: str, hashes: Hashes) -> Iterator[Break]:
    """Yield raw files of an archive that are not those of the owner's list, or a list that is not that of the run,
    which the cohort's `manifest` states.
    """
    maker = f"{command_of(manifest)} (draws the phantom)" if raw.phantom else "no stage: the archive is its owner's"
    remedy = (
        f"`snakemake --cores 8 --forcerun {manifest} -- all` draws it anew."
        if raw.phantom
        else "Put the file back as it was; or, where the change is meant, run `snakemake --cores 8 all`."
    )
    for file in raw.files if raw.here else ():
        actual = hashes.of(file.path)
        if file.sha256 and actual != file.sha256:
            what = "cannot be read" if actual is None else "was changed since it was ingested"
            yield Break(file.path, what, raw.listing, file.sha256, actual, maker, remedy)
    cohort = chain.records.get(manifest)
    stated = raw.stated(cohort.facts).get("sha256") if cohort else None
    if cohort and raw.digest and stated != raw.digest:
        what = "is not the list of the raw files that the run was made from"
        remedy = "Run `snakemake --cores 8 all`: what has changed in the archive is made again."
        yield Break(raw.listing, what, cohort.manifest, stated, raw.digest, maker, remedy)


def _no_manifest(manifest: str, problem: str) -> Break:
    made_by = command_of(manifest)
    remedy = f"`snakemake --cores 8 --forcerun {manifest} -- all` makes it, with its results."
    return Break(manifest, problem, layout.PARAMS, None, None, made_by, remedy)


def _record_breaks(record: Record, chain: Chain, hashes: Hashes, params: Params) -> Iterator[Break]:
    """Yield the differences between a manifest and the files, and what it leaves out."""
    made_by = command_of(record.manifest)
    again = f"`snakemake --cores 8 --forcerun {record.manifest} -- all` makes it anew, and what follows"
    for path, expected in record.outputs.items():
        if (actual := hashes.of(path)) != expected:
            what = "is missing" if actual is None else "was changed after it was made"
            remedy = f"`dvc checkout --force {record.stage}` brings back the recorded file; {again}."
            yield Break(path, what, record.manifest, expected, actual, made_by, remedy)
    for path, expected in record.inputs.items():
        maker = chain.makers.get(path)
        if maker is not None and path in maker.outputs:
            if maker.outputs[path] != expected:
                what = f"was read in another version than {maker.manifest} states"
                yield Break(
                    path, what, record.manifest, expected, maker.outputs[path], command_of(maker.manifest), f"{again}."
                )
        elif maker is None and not is_outside(path, params):
            what = "was read, and no manifest states what made it"
            yield Break(path, what, record.manifest, expected, hashes.of(path), "unknown", f"{again}.")
        elif (actual := hashes.of(path)) not in (None, expected):
            what = "was changed after it was read"
            yield Break(
                path,
                what,
                record.manifest,
                expected,
                actual,
                "its owner" if maker is None else command_of(path),
                f"{again}.",
            )
    for dependency in unstated(record):
        what = f"the stage {record.stage} reads it, and the manifest does not state it"
        yield Break(dependency, what, record.manifest, None, None, made_by, f"{again}.")


_OF_WHAT_IS_THERE = ("ablation/comparison", "evaluate/folds", "evaluate/external")


def unstated(record: Record) -> list[str]:
    """Return files and folders that the record's stage depends on, and none of which is among its inputs."""
    if record.manifest in (layout.MANIFEST.format(name=name) for name in _OF_WHAT_IS_THERE):
        return []  # the first reads what the stage's other jobs made, the others only what there is to pool
    lacking = []
    for dependency in dvc_stages()[record.stage].get("deps", ()):
        if dependency.startswith(("lss/", "workflow/")) or _needless(record, dependency):
            continue
        if not any(path == dependency or path.startswith(f"{dependency}/") for path in record.inputs):
            lacking.append(dependency)
    return lacking


def _needless(record: Record, dependency: str) -> bool:
    """Return whether a job of the stage may lack this dependency."""
    if dependency == "data/weights":  # published files: the stage's outputs are copies of them, with their bytes
        return True
    return dependency == "data/interim/weights" and "/unet-" in record.manifest
