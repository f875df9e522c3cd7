"""Settings of the section execution."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lss.project.section import Count, Section

Device = Literal["auto", "cpu", "cuda"]


class ExecutionParams(Section):
    """How and where work is done. No stage runs again for it; manifests record it as a fact."""

    device: Device
    threads: Count
    workers: Annotated[int, Field(ge=0)]
    processes: Count
    jobs_per_card: Count = 1  # settings written before version 0.4 lack it
    sharding: Literal["ddp", "fsdp"]
    gradient_checkpointing: bool
    compile: bool
    predict_batch_size: Count
    write_batch_size: Count
