"""Snakemake in forks of one process that has imported it: the import takes eight of a plan's thirteen seconds."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SERVER = """
import json, os, sys, traceback
import snakemake.cli

assert "lss" not in sys.modules  # each fork imports the package of its own folder
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(output, 1), os.dup2(output, 2)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.path[:0] = [asked["folder"]]
        sys.argv = ["snakemake", *asked["arguments"]]
        code = 1
        try:
            snakemake.cli.main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _server() -> subprocess.Popen[str]:
    """The process that has imported Snakemake; it ends with this one."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.kill)
    return server


def run_forked(folder: Path, arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run Snakemake in `folder`; gives its exit status and what it printed."""
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.NamedTemporaryFile(prefix="snakemake-") as output:
        asked = {"folder": str(folder), "arguments": arguments, "environment": environment, "output": output.name}
        server.stdin.write(f"{json.dumps(asked)}\n")
        server.stdin.flush()
        status = server.stdout.readline()
        if not status:
            raise RuntimeError("the process that runs Snakemake has ended")
        return int(status), Path(output.name).read_text(encoding="utf-8")
