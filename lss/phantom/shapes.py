"""Outlines in millimetres: arrays (n, 2) of (x, y)."""

from __future__ import annotations

from functools import cache

import numpy as np


def smooth_closed(points: list[tuple[float, float]] | np.ndarray, steps: int = 10) -> np.ndarray:
    """Return closed Catmull-Rom curve through the points, `steps` per piece."""
    p = np.asarray(points, float)
    return _catmull_rom(np.concatenate([p[-1:], p, p[:2]]), steps)


def smooth_open(points: list[tuple[float, float]] | np.ndarray, steps: int = 10) -> np.ndarray:
    """Return Catmull-Rom curve from the first to the last of the points."""
    p = np.asarray(points, float)
    curve = _catmull_rom(np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]]), steps)
    return np.concatenate([curve, p[-1:]])


def _catmull_rom(points: np.ndarray, steps: int) -> np.ndarray:
    """Return the curve from the second to the last but one of the points (n, 2): ((n - 3) * steps, 2)."""
    weights = _catmull_rom_weights(steps)
    pieces = np.stack([points[:-3], points[1:-2], points[2:-1], points[3:]], axis=1)
    return np.matmul(weights, pieces).reshape(-1, 2)


@cache
def _catmull_rom_weights(steps: int) -> np.ndarray:
    """Return what each of the four points around a piece counts at each step, (steps, 4)."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    powers = np.hstack([np.ones_like(t), t, t**2, t**3])
    return 0.5 * powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], float)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], turn_deg: float = 0.0, n: int = 48) -> np.ndarray:
    """Return ellipse with half axes `radii` along x and y, then turned."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    points = np.column_stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)])
    turn = np.radians(turn_deg)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ rotation + np.asarray(centre)


def uneven(points: np.ndarray, generator: np.random.Generator, size_mm: float, waves: int = 7) -> np.ndarray:
    """Return the outline pushed in and out along its normals by a random periodic function of about `size_mm`."""
    angle = np.linspace(0, 2 * np.pi, len(points), endpoint=False)
    order = np.arange(1, waves + 1)[:, None]
    phases = generator.uniform(0, 2 * np.pi, (waves, 1))
    heights = generator.normal(0, 1, (waves, 1)) / np.sqrt(waves)
    push = size_mm * (heights * np.sin(order * angle + phases)).sum(axis=0)
    along = np.roll(points, -1, 0) - np.roll(points, 1, 0)
    normal = np.column_stack([along[:, 1], -along[:, 0]])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return points + push[:, None] * normal


def grown(points: np.ndarray, by_mm: float) -> np.ndarray:
    """Return a roughly convex outline moved outwards (inwards if negative) by `by_mm`, away from its centre."""
    centre = points.mean(axis=0)
    ray = points - centre
    length = np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-9)
    return centre + ray * np.maximum(length + by_mm, 0.05) / length


def mirrored(points: list[tuple[float, float]] | np.ndarray, side: int) -> np.ndarray:
    """Return points given for x > 0, put on the side +1 or -1."""
    return np.asarray(points, float) * np.array([side, 1.0])


def area(points: np.ndarray) -> float:
    """Return the area inside the outline, mm2 (shoelace formula)."""
    x, y = points.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def depth_in_the_middle(points: np.ndarray) -> float:
    """Return extent along y of a closed outline on the line x = middle of its width, mm."""
    x, y = points.T
    middle = (x.min() + x.max()) / 2
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    crosses = (x > middle) != (x2 > middle)
    share = (middle - x[crosses]) / (x2[crosses] - x[crosses])
    return float(np.ptp(y[crosses] + share * (y2[crosses] - y[crosses])))
