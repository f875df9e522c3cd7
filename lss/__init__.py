"""Lumbar spinal stenosis on MRI: a staged, reproducible vision-language pipeline.

Research software. A radiologist decides.
"""

__version__ = "0.2.0"
