"""profiles/kubernetes: what pods are asked to do, by Snakemake's own executor, from a stand-in for a cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kubernetes_server import cluster
from project_copy import environment, make_copy

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_a_job_runs_in_a_pod_on_the_shared_folder(project_root: Path, tmp_path: Path) -> None:
    copy = make_copy(project_root, tmp_path / "project")
    text = (copy / "params.yaml").read_text().replace("patients: 15", "patients: 3")
    (copy / "params.yaml").write_text(text)
    here = environment(copy)
    of_pod = {name: here[name] for name in ("HOME", "PATH", "PYTHONPATH")}
    here["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    with cluster(tmp_path, of_pod) as pods:
        done = subprocess.run(
            ["snakemake", "--profile", "profiles/kubernetes", "--precommand", f"cd {copy}",
             "--container-image", "lss:cpu", "--kubernetes-persistent-volumes", "lss-project:/project",
             "--latency-wait", "5", "--retries", "0", "--",
             "data/interim/cohort.json"],
            cwd=copy, capture_output=True, text=True, env=here,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert not any(Path(pods.workdir).iterdir())  # nothing was left in the pod's own folder
        (body,) = pods.jobs.values()
    assert (copy / "data/interim/cohort.json").is_file() and (copy / "logs/cohort.log").is_file()
    spec = body["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "lss:cpu"
    assert {"name": "lss-project", "mountPath": "/project"} in container["volumeMounts"]
    assert {"name": "lss-project", "persistentVolumeClaim": {"claimName": "lss-project"}} in spec["volumes"]
    limits = container["resources"]["limits"]
    assert limits == container["resources"]["requests"] | {"cpu": limits["cpu"]}
    assert (limits["memory"], limits["nvidia.com/gpu"], limits["ephemeral-storage"]) == ("4000M", "0", "2000M")
    command = container["args"][1]
    assert command.startswith(f"cd {copy} && python -m snakemake ")
    assert "pip install" not in command and "deploy-sources" not in command and "storage-provider" not in command
