"""An RO-Crate of a run: its results with the provenance of each, in the profile of workflow runs.

Format: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance).
Packed are what the run shows (tables, figures, page, cards, numbers), its manifests, settings and workflow. Data of
patients are not: files of data/, predictions and models are named by path and SHA-256, raw files by one over all.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lss import __version__
from lss.errors import LssError
from lss.lineage.chain import Chain, command_of, read_chain
from lss.lineage.records import Record
from lss.lineage.verify import verify
from lss.project import layout
from lss.project.manifest import read_manifest
from lss.project.params import Params
from lss.project.published import published
from lss.storage.io import atomic_folder

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_SHOWN = ("tables", "figures", "page")
"""Stages whose outputs are packed whole."""

_TERMS = "https://w3id.org/ro/terms/workflow-run"
_LICENCE = "https://spdx.org/licenses/Apache-2.0"


def write_crate(params: Params, output: Path, root: Path = Path()) -> None:
    """Write the crate of the finished run at `root` into the folder `output`.

    Raises LssError where the package `rocrate` is not installed, where `output` holds something already, or where the
    lineage of the run does not hold: a crate states nothing that was not checked.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise LssError("lss crate needs the package rocrate: pip install -c requirements.txt -e '.[crate]'") from None
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise LssError(f"{output}: holds something already. Name a folder that is empty or not there yet.")
    if breaks := verify(params, root).breaks:
        raise LssError(f"no crate was written, since the lineage of the run does not hold\n{breaks[0]}")
    chain = read_chain(params, root)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = f"{_TERMS}#sha256"
    _describe(crate, params)
    packed = _pack(crate, chain, params, root)
    workflow = crate.add_workflow(
        root / "workflow/Snakefile", "workflow/Snakefile", main=True, lang="snakemake", lang_version="9",
        properties={"name": "lss: lumbar spinal stenosis on MRI", "version": __version__},
    )  # fmt: skip
    files = _Files(crate, packed, chain)
    actions = [_action(crate, record, files, root) for record in chain.records.values()]
    workflow["hasPart"] = _distinct(action["instrument"] for action in actions)
    actions.append(_whole_run(crate, chain, workflow, files))
    crate.root_dataset["mentions"] = actions
    with atomic_folder(output) as folder:
        crate.write(folder)


def _describe(crate: ROCrate, params: Params) -> None:
    """Set name, description, licence and profiles of the crate."""
    kinds = {archive.name for archive in params.cohort.archives.values()}
    crate.name = f"Run of lss on the cohort {params.cohort.title}"
    crate.description = (
        "Results of a pipeline from raw lumbar MRI and radiologists' notes to masks, grades and reports, with the "
        "provenance of each file. Research software: a radiologist decides."
        + (" The cohort is a phantom: no number says anything of patients." if kinds == {"phantom"} else "")
    )
    crate.license = _entity(crate, _LICENCE, "CreativeWork", name="Apache License 2.0", url=_LICENCE)
    profiles = [
        _entity(crate, uri, "CreativeWork", name=name, version=uri.rsplit("/", 1)[1]) for uri, name in PROFILES.items()
    ]
    crate.root_dataset["conformsTo"] = profiles


def _pack(crate: ROCrate, chain: Chain, params: Params, root: Path) -> set[str]:
    """Copy the results, manifests and settings into the crate; return their paths."""
    shown = [path for record in chain.records.values() if record.stage in _SHOWN for path in record.outputs]
    settings = yaml.safe_dump(published(params.model_dump(mode="json")), sort_keys=False)
    crate.add_file(io.StringIO(settings), layout.PARAMS, properties={"name": "settings, without paths of the user's"})
    paths = dict.fromkeys([layout.METRICS, layout.STATISTICS, layout.ABLATION, *shown, *chain.records])
    rules = [path.relative_to(root).as_posix() for path in sorted((root / "workflow/rules").glob("*.smk"))]
    for path in [*paths, *rules, "dvc.yaml", "requirements.txt"]:
        if (root / path).is_file():
            properties: dict[str, Any] = {"name": path}
            if maker := chain.makers.get(path):
                if digest := maker.outputs.get(path):
                    properties["sha256"] = digest
            crate.add_file(root / path, path, properties=properties)
    return {layout.PARAMS, *(path for path in paths if (root / path).is_file())}


class _Files:
    """Entities of the files that jobs read and wrote: those packed, and for the others a description."""

    def __init__(self, crate: ROCrate, packed: set[str], chain: Chain) -> None:
        self._crate, self._packed, self._chain = crate, packed, chain

    def of(self, path: str, digest: str) -> Any:
        """Return the entity of a file with the SHA-256 `digest`."""
        if path in self._packed:
            return self._crate.dereference(path)
        name = path if path in self._chain.makers else "a file from outside the project"
        return _entity(self._crate, f"#sha256-{digest}", "CreativeWork", name=name, identifier=f"sha256:{digest}")

    def raw(self, cohort: Record) -> Any:
        """Return one entity for all raw files of a cohort: their names may identify patients."""
        facts = cohort.facts
        digest = facts["sha256"]
        return _entity(
            self._crate, f"#sha256-{digest}", "CreativeWork", name=f"{facts['files']} raw files of the cohort",
            description=f"{facts['bytes']} bytes; the SHA-256 is over the list of all paths and hashes",
            identifier=f"sha256:{digest}",
        )  # fmt: skip


def _action(crate: ROCrate, record: Record, files: _Files, root: Path) -> ContextEntity:
    """Return the job of a manifest."""
    command = command_of(record.manifest)
    seconds = read_manifest(root / record.manifest)["seconds"]
    began = datetime.fromisoformat(record.finished) - timedelta(seconds=seconds)
    tool = _entity(
        crate, f"#lss-{record.stage}", "SoftwareApplication", name=f"lss {record.stage}", softwareVersion=__version__,
        url="https://snakemake.github.io", description=f"the stage {record.stage} of the pipeline",
    )  # fmt: skip
    settings = _entity(
        crate, f"#settings-{record.manifest}", "PropertyValue", name=f"settings and seed of {command}",
        value=json.dumps({"seed": record.seed, **record.settings}, sort_keys=True),
    )  # fmt: skip
    inputs = [files.of(path, digest) for path, digest in record.inputs.items()]
    if record.stage == "cohort":
        inputs = [files.raw(record)]
    return _entity(
        crate, f"#job-{record.manifest}", "CreateAction", name=command, instrument=tool,
        description=f"commit of the program: {record.commit or 'outside git'}",
        startTime=began.isoformat(timespec="seconds"), endTime=record.finished,
        actionStatus="http://schema.org/CompletedActionStatus", object=[settings, *inputs],
        result=[files.of(path, digest) for path, digest in record.outputs.items()],
    )  # fmt: skip


def _whole_run(crate: ROCrate, chain: Chain, workflow: Any, files: _Files) -> ContextEntity:
    """Return the run of the workflow: from the raw files and the settings to what is shown."""
    finished = sorted(record.finished for record in chain.records.values())
    raw = _distinct(files.raw(record) for record in chain.records.values() if record.stage == "cohort")
    shown = [(path, digest) for record in chain.records.values() if record.stage in _SHOWN
             for path, digest in record.outputs.items()]  # fmt: skip
    return _entity(
        crate, "#run", "CreateAction", name="run of the whole workflow", instrument=workflow, endTime=finished[-1],
        object=[*raw, crate.dereference(layout.PARAMS)], result=_distinct(files.of(*file) for file in shown),
        actionStatus="http://schema.org/CompletedActionStatus",
    )  # fmt: skip


def _distinct(entities: Iterable[Any]) -> list[Any]:
    return list({entity.id: entity for entity in entities}.values())


def _entity(crate: ROCrate, identity: str, kind: str, **properties: Any) -> Any:
    """Return the contextual entity with the @id `identity`, made if it is not there yet."""
    from rocrate.model.contextentity import ContextEntity

    return crate.get(identity) or crate.add(ContextEntity(crate, identity, properties={"@type": kind, **properties}))
