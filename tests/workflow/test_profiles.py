"""What jobs ask for under each profile, read from the plans that Snakemake itself prints."""

from __future__ import annotations

import re
import stat
import textwrap
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from project_copy import make_copy, plan, run

from lss.project.params import Params, load_params
from lss.project.resources import RESOURCES, job_resources

pytestmark = pytest.mark.workflow


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    return make_copy(project_root, tmp_path / "copy", small=False)


def asked_for(folder: Path, profile: str, hide: bool = True) -> dict[str, dict[str, str]]:
    """Resources by rule, of each rule's first job; all jobs of a rule ask for the same."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if hide else {}
    text = plan(folder, "-n", "--profile", f"profiles/{profile}", "all", **hidden)
    result: dict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
    for rule, resources in re.findall(
        r"^ *(?:(?:local)?rule|(?:local)?checkpoint) (\w+):\n(?:.*\n)*? +resources: (.*)$", text, flags=re.M
    ):
        pairs = dict(re.findall(r"(\w+)=([^,]+)", resources))
        result[rule].add(tuple(sorted((key, pairs.get(key, "")) for key in ("mem_mb", "runtime", "gpu"))))
    assert all(len(kinds) == 1 for kinds in result.values())
    return {rule: dict(next(iter(kinds))) for rule, kinds in result.items()}


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "params.yaml").read_text()
    assert old in text
    (folder / "params.yaml").write_text(text.replace(old, new))


def without_gpu(names: set[str], planned: dict[str, dict[str, str]]) -> bool:
    return all(planned[name]["gpu"] == "0" for name in names)


@pytest.mark.parametrize("profile", ["gpu", "slurm", "kubernetes"])
def test_every_profile_plans_the_default_with_the_numbers_of_the_table(copy: Path, profile: str) -> None:
    numbers = yaml.safe_load((copy / RESOURCES).read_text())
    planned = asked_for(copy, profile)
    assert planned.keys() - {"all"} == numbers.keys() - {"ablation_arm", "compare_external"}
    for rule, asked in planned.items():
        if rule != "all":
            stated = numbers[rule]
            assert asked == {"mem_mb": str(stated["mem_mb"]), "runtime": str(stated["runtime"]), "gpu": "0"}, rule


def test_settings_ask_for_gpus_not_what_the_submit_host_has(copy: Path, tmp_path: Path) -> None:
    """`cuda` without a card here, `cpu` and `auto` with one that nvidia-smi lists here."""
    edit(copy, "  device: auto", "  device: cuda")
    edit(copy, "  processes: 1 ", "  processes: 4 ")
    edit(copy, "  micro_batch_size: 8 ", "  micro_batch_size: 2 ")
    planned = asked_for(copy, "slurm")
    assert {rule for rule, asked in planned.items() if asked["gpu"] == "1"} == {"denoise", "predict"}
    assert planned["train"] == {"mem_mb": "16000", "runtime": "2880", "gpu": "4"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{fake_cards(tmp_path, 2)}:/usr/bin:/bin")
        edit(copy, "  device: cuda", "  device: auto")
        assert without_gpu({"train", "predict", "denoise"}, asked_for(copy, "slurm", hide=False))
        local = asked_for(copy, "gpu", hide=False)
        assert local["denoise"]["gpu"] == local["predict"]["gpu"] == "1"
        assert local["train"]["gpu"] == "2"  # no more than there are: the run itself is refused


def fake_cards(folder: Path, count: int) -> Path:
    """A folder with a nvidia-smi that lists so many cards."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin/nvidia-smi"
    program.write_text("#!/bin/sh\n" + "".join(f'echo "GPU {n}: Test (UUID: GPU-{n})"\n' for n in range(count)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder / "bin"


def with_settings(project_root: Path, **sections: dict[str, object]) -> Params:
    params = load_params(project_root / "params.yaml")
    return params.model_copy(
        update={name: getattr(params, name).model_copy(update=values) for name, values in sections.items()}
    )


def test_published_backbones_ask_for_more_and_on_a_cluster_for_a_gpu(project_root: Path) -> None:
    published = with_settings(project_root, weights={"source": "published"}, denoise={"method": "skimage"})
    asked = job_resources("train", published, lambda: True)
    assert asked["mem_mb"](None, attempt=1) == 16000 and asked["gpu"](None) == 1
    assert job_resources("denoise", published, lambda: True)["gpu"](None) == 0  # scikit-image knows no GPU
    assert job_resources("shards", published, lambda: True)["gpu"](None) == 0


def test_each_retry_asks_for_more(tmp_path: Path, project_root: Path) -> None:
    """Snakemake itself counts the attempts of a job that fails twice."""
    (tmp_path / "Snakefile").write_text(
        textwrap.dedent(f"""
        from pathlib import Path
        from lss.project.params import load_params
        from lss.project.resources import job_resources
        PARAMS = load_params(Path({str(project_root / "params.yaml")!r}))
        rule denoise:
            output: "done"
            resources: **job_resources("denoise", PARAMS, lambda: False)
            shell: "echo {{resources.mem_mb}} {{resources.runtime}} >> seen; test $(wc -l < seen) = 3 && touch done"
        """)
    )
    run(tmp_path, "env", f"PYTHONPATH={project_root}", "snakemake", "--cores", "1", "--retries", "2", "done")
    assert (tmp_path / "seen").read_text().split("\n")[:3] == ["2000 240", "4000 480", "6000 720"]
