"""Names of the user's own files stand in params.yaml and in the owner's folder, and in nothing that is passed on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from lss.lineage.fresh import outdated
from lss.lineage.raw import is_outside
from lss.project import layout
from lss.project.manifest import read_manifest, write_manifest
from lss.project.params import Params, check_params, load_params
from lss.project.published import PRIVATE, published


def test_paths_leave_no_manifest_and_their_changes_show(tmp_path: Path) -> None:
    settings = {"cohort": {"root": "/data/Smith", "folder": {"table": "Smith.xlsx", "note_column": "note"}}}
    now = datetime.now(UTC)
    write_manifest(tmp_path / "m.json", "ingest", inputs=[], outputs=[], params=settings, seed=1, started=now)
    assert "Smith" not in (tmp_path / "m.json").read_text()
    held = read_manifest(tmp_path / "m.json")["params"]
    assert held == published(settings) and held["cohort"]["folder"]["note_column"] == "note"
    assert held != published({"cohort": {"root": "/data/Smyth", "folder": settings["cohort"]["folder"]}})


def test_the_users_split_is_an_input_without_its_name(tmp_path: Path, project_root: Path) -> None:
    """The manifest names it by a hash; who has the settings still finds the file, and sees that it was changed."""
    split = tmp_path / "Smith, John.csv"
    split.write_text("patient_key,subset\n")
    (tmp_path / "other.parquet").write_bytes(b"other")
    inputs = [tmp_path / "other.parquet", split]
    manifest = tmp_path / layout.MANIFEST.format(name="split")
    settings = load_params(project_root / "params.yaml").model_dump(mode="json")
    settings["split"]["file"] = str(split)
    params = check_params(settings)
    write_manifest(manifest, "split", inputs=inputs, outputs=[], params=settings["split"], seed=params.seed,
                   started=datetime.now(UTC))  # fmt: skip
    assert "Smith" not in manifest.read_text()
    hidden = next(name for name in read_manifest(manifest)["inputs"] if "other" not in name)
    assert hidden == published({"file": str(split)})["file"] and is_outside(hidden, params)
    assert outdated([str(manifest.relative_to(tmp_path))], params, tmp_path) == {}
    split.write_text("patient_key,subset\nP1,train\n")
    assert "was changed since" in outdated([str(manifest.relative_to(tmp_path))], params, tmp_path).popitem()[1]


def test_dvc_records_no_setting_that_names_the_users_files(project_root: Path) -> None:
    """A section would hold them all; so those with such settings are listed by name."""
    private = set()
    for section, model in Params.model_fields.items():
        names = getattr(model.annotation, "model_fields", {})
        for name, inner in names.items():
            below = getattr(inner.annotation, "model_fields", {})
            private |= {f"{section}.{name}"} if name in PRIVATE else set()
            private |= {f"{section}.{name}.{key}" for key in below if key in PRIVATE}
    assert {"cohort.root", "cohort.folder.table", "ingest.pseudonym_key_file", "split.file"} <= private
    for stage, entry in yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"].items():
        for listed in filter(lambda entry: isinstance(entry, str), entry.get("params", [])):
            assert not [name for name in private if name == listed or name.startswith(f"{listed}.")], stage


def test_rights_of_files_are_those_of_the_umask(tmp_path: Path) -> None:
    script = (
        "import os, sys; os.umask(0o077)\nfrom pathlib import Path\nfrom lss.storage import io, schemas\n"
        "to = Path(sys.argv[1])\n"
        "io.write_text(to / 'a.txt', 'a'); io.write_json(to / 'b.json', 1)\n"
        "io.write_csv(to / 'c.csv', [], ['x']); io.write_parquet(to / 'd.parquet', [], schemas.REJECTS)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, env=os.environ)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
