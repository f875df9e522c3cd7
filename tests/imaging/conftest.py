"""Fixtures of the imaging tests."""

from drawn_axial import draw_axial

__all__ = ["draw_axial"]
