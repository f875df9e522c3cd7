"""Check whether what a job made is what it would make now, before a result is recorded or kept.

DVC does not empty the outputs of a stage (`persist` in dvc.yaml), so that finished trainings outlive a run that failed.
So what lies there may be of other settings, restored by `dvc checkout`, or edited by hand; Snakemake, which remembers
its own last jobs, cannot see that. The manifests can.
"""

from __future__ import annotations

from pathlib import Path

from lss.errors import LssError
from lss.lineage.hashes import Hashes
from lss.lineage.records import Record, read_record
from lss.project import layout
from lss.project.code import code_parts
from lss.project.models import manifest_settings, of_cohort
from lss.project.outside import hash_of_all, list_files
from lss.project.params import Params
from lss.project.published import private_paths


def outdated(manifests: list[str], params: Params, root: Path = Path()) -> dict[str, str]:
    """Return which of `manifests` are not of the settings `params`, of this code, or of the files here; with the
    reason.

    Args:
        manifests: paths relative to `root`; missing ones are ignored.
        params: the settings now.
        root: the project's folder.
    """
    reasons: dict[str, str] = {}
    records = []
    for manifest in manifests:
        if not (root / manifest).is_file():
            continue
        try:
            records.append(read_record(manifest, root))
        except LssError as error:
            reasons[manifest] = str(error)
    hashes = Hashes(root, private_paths(params.model_dump(mode="json")))
    hashes.read((path for record in records for path in (*record.inputs, *record.outputs)), "checking files")
    for record in records:
        if reason := _difference(record, params, hashes, root):
            reasons[record.manifest] = reason
    return reasons


def _difference(record: Record, params: Params, hashes: Hashes, root: Path) -> str | None:
    if record.seed != params.seed:
        return "made with another seed"
    for section, settings in manifest_settings(record.manifest, record.facts, params).items():
        if settings != record.settings.get(section):
            return f"made with other settings of {section}"
    if record.code != code_parts(record.stage):
        return "made by other code"
    label = layout.external_of(record.manifest)
    cohort = of_cohort(params, label).cohort
    roots = [archive.root for archive in cohort.archives.values()]
    if record.stage == "cohort" and all(root.is_dir() for root in roots):
        listing = layout.of_external(layout.PRIVATE_FILES, label) if label else layout.PRIVATE_FILES
        if hash_of_all(list_files(cohort, root / listing)) != record.facts.get("sha256"):
            return f"the raw files in {', '.join(map(str, roots))} were changed since"
    for path, stated in {**record.inputs, **record.outputs}.items():
        if hashes.of(path) != stated:
            return f"{path} {'is missing' if hashes.of(path) is None else 'was changed since'}"
    return None
