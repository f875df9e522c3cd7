"""Losses: one file each, a thin class over a pure function.

Shapes in names, here and in `lss.model`: B images, K prompts, N patches, H heads, D shared width,
C channels, X and Y pixel rows and columns, T tokens, V vocabulary.
"""
