"""Settings of the network's architecture."""

from __future__ import annotations

from typing import Literal

Fusion = Literal["spatial", "broadcast", "none"]
PromptMode = Literal["predicted", "bank", "oracle"]
Queries = Literal["text", "learned", "shuffled", "empty"]
Guidance = Literal["spatial", "broadcast", "none", "learned", "shuffled", "empty"]
"""What the ablation compares: a fusion of the texts, or `spatial` with a control in the texts' place."""

UNET_SMALLEST = 32
"""Pixels: a U-Net halves its image four times, and normalises over more than one pixel at the bottom."""
