"""The RO-Crate of a run: valid by the profiles' own validator, complete, and without data of patients."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from small_run import make_run
from typer.testing import CliRunner

from lss.cli import app
from lss.errors import LssError

pytest.importorskip("rocrate", reason="NOT CHECKED: RO-Crates need the extra crate: pip install -e '.[crate]'")

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SCHEMA_ORG = (
    "CreateAction CreativeWork ComputerLanguage Dataset PropertyValue SoftwareApplication SoftwareSourceCode "
    "about actionStatus alternateName datePublished description endTime hasPart identifier instrument license "
    "mainEntity mentions name object programmingLanguage result softwareVersion startTime url value version"
)
TERMS = {name: f"http://schema.org/{name}" for name in SCHEMA_ORG.split()} | {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
}
"""The part of RO-Crate's JSON-LD context that is used, since the validator would fetch all of it from the network."""


@pytest.fixture(scope="module")
def crate(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_run(project_root, folder)
        result = CliRunner().invoke(app, ["crate", "--output", "crate"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return folder / "crate"


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}


class _Context(requests.adapters.BaseAdapter):
    """Answers every request with the context."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        from urllib3 import HTTPResponse

        body = io.BytesIO(json.dumps({"@context": TERMS}).encode())
        raw = HTTPResponse(body, {"Content-Type": "application/ld+json"}, status=200, preload_content=False)
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self) -> None: ...


def test_the_validator_of_the_profiles_passes_it_offline(crate: Path, tmp_path: Path) -> None:
    """Against the Provenance Run Crate, which includes all that Workflow Run Crate and RO-Crate 1.1 require."""
    validator = pytest.importorskip("rocrate_validator", reason="NOT CHECKED: needs roc-validator (extra crate)")
    from requests_cache import CachedSession
    from rocrate_validator import models, services

    def issues(folder: Path) -> list[str]:
        settings = services.ValidationSettings(
            rocrate_uri=str(folder), profile_identifier="provenance-run-crate", offline=True,
            requirement_severity=models.Severity.REQUIRED, cache_path=tmp_path / "cache",
        )  # fmt: skip
        return [str(issue.message) for issue in services.validate(settings).get_issues()]

    with CachedSession(str(tmp_path / "cache"), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", _Context())
        session.get(CONTEXT)
    assert validator and issues(crate) == []
    broken = tmp_path / "broken"
    broken.mkdir()
    metadata = json.loads((crate / "ro-crate-metadata.json").read_text())
    for entity in metadata["@graph"]:
        if entity["@id"] == "./":
            del entity["datePublished"], entity["conformsTo"]
    (broken / "ro-crate-metadata.json").write_text(json.dumps(metadata))
    assert issues(broken)  # it can fail


def test_every_job_is_an_action_with_what_it_read_and_wrote(crate: Path) -> None:
    result = entities(crate)
    run = crate.parent
    manifests = [path.relative_to(run).as_posix() for path in (run / "results/manifests").rglob("*.json")]
    assert {f"#job-{manifest}" for manifest in manifests} <= result.keys()
    train = result["#job-results/manifests/train/smolvlm-report-focal.json"]
    shard = hashlib.sha256((run / "data/shards/train-00.parquet").read_bytes()).hexdigest()
    assert {"@id": f"#sha256-{shard}"} in train["object"]
    assert result[f"#sha256-{shard}"]["name"] == "data/shards/train-00.parquet"
    table = "results/tables/table2_segmentation.csv"
    assert {"@id": table} in result["#job-results/manifests/tables.json"]["result"]
    assert result[table]["sha256"] == hashlib.sha256((crate / table).read_bytes()).hexdigest()
    for entity in result.values():
        for key in ("object", "result", "mentions"):
            assert all(reference["@id"] in result for reference in entity.get(key, []) if isinstance(reference, dict))


def test_it_holds_no_data_of_patients_and_no_name_of_a_raw_file(crate: Path) -> None:
    held = {path.relative_to(crate).parts[0] for path in crate.rglob("*") if path.is_file()}
    assert held == {"params.yaml", "results", "workflow", "dvc.yaml", "requirements.txt", "ro-crate-metadata.json"}
    assert not (crate / "results/predictions").exists() and not (crate / "results/models").exists()
    for name in ("ro-crate-metadata.json", "params.yaml", "results/manifests/cohort.json"):
        text = (crate / name).read_text()
        assert ".ima" not in text and "Smith" not in text, name
    assert "as in params.yaml (" in (crate / "params.yaml").read_text()


def test_what_does_not_hold_is_not_written(crate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crate.parent)
    metrics = Path("results/metrics.json")
    before = metrics.read_text()
    metrics.write_text("forged")
    try:
        error = CliRunner().invoke(app, ["crate", "--output", "second"]).exception
        assert isinstance(error, LssError) and "BREAK  results/metrics.json" in str(error)
        assert not Path("second").exists()
    finally:
        metrics.write_text(before)
    error = CliRunner().invoke(app, ["crate", "--output", "crate"]).exception
    assert isinstance(error, LssError) and "holds something already" in str(error)
