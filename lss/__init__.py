"""Lumbar spinal stenosis on MRI: a staged, reproducible vision-language pipeline.

Research software. A radiologist decides.
"""

import time

__version__ = "0.3.0"

BEGAN = time.monotonic()
"""When this process began, or nearly: the command `lss` imports this first."""
