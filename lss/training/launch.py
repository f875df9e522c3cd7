"""Start the processes of a distributed training."""

from __future__ import annotations

import os
import sys

import lss.runtime.torch_setup  # noqa: F401  isort: skip

from lss.errors import LssError


def is_process() -> bool:
    """Return whether this process is one of several already."""
    return "WORLD_SIZE" in os.environ


def launch(processes: int, arguments: list[str]) -> None:
    """Run `lss` with these arguments in so many processes, as `accelerate launch` does, and wait for them.

    Raises LssError when one of them fails; the others are stopped then.
    """
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    settings = {
        "num_processes": processes,
        "num_machines": 1,
        "mixed_precision": "no",  # the loop does its own
        "dynamo_backend": "no",
        "main_process_port": 0,  # any free one
    }
    options = ["--multi_gpu", *(f"--{name}={value}" for name, value in settings.items())]
    try:
        launch_command(launch_command_parser().parse_args([*options, "--module", "lss.cli", *arguments]))
    except SignalException as error:  # handed on to the processes, which have ended
        raise SystemExit(128 + error.sigval) from error
    except ChildFailedError as error:
        rank = min(error.failures)
        raise LssError(f"Process {rank} of the training failed; its messages are above.") from error
    finally:
        sys.stderr.flush()
