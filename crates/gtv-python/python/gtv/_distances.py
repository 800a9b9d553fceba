"""Distances between samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, plain, rows
from gtv._config import encoded
from gtv._progress import Progress, opener


class Estimate(NamedTuple):
    """A distance with its interval and floor."""

    value: float
    """The distance between the samples."""
    lo: float
    """Lower end of the bootstrap interval over models."""
    hi: float
    """Upper end."""
    floor: float
    """What two samples of these sizes with one law would show: less cannot be resolved."""


def _line(name: str, value: ArrayLike) -> Doubles:
    points = rows(name, value).values
    if points.shape[1] != 1:
        raise ValueError(f"{name} has {points.shape[1]} columns; expected samples on a line, (n,) or (n, 1)")
    return np.ascontiguousarray(points[:, 0])


def w1(a: ArrayLike, b: ArrayLike) -> float:
    """W1 (earth mover's distance) of samples on a line, (n,) and (m,)."""
    return _gtv.w1(_line("a", a), _line("b", b))


def energy_distance(a: ArrayLike, b: ArrayLike) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of samples (n, D) and (m, D), every pair taken, each sample with itself included."""
    left = rows("a", a).values
    return _gtv.energy_distance(left, rows("b", b, left.shape[1]).values)


def sliced_w2(a: ArrayLike, b: ArrayLike, projections: int = 128, *, seed: int = 0) -> float:
    """Root mean square of W2 over random directions (`directions` of the same seed), of samples (n, D) and (m, D)."""
    left = rows("a", a).values
    return _gtv.sliced_w2(left, rows("b", b, left.shape[1]).values, projections, seed)


def directions(dim: int, projections: int = 128, *, seed: int = 0) -> Doubles:
    """The unit vectors of `sliced_w2`, (projections, dim)."""
    return _gtv.directions(dim, projections, seed)


def _groups(name: str, samples: Any) -> list[Doubles]:
    if isinstance(samples, (list, tuple)) and samples and np.ndim(samples[0]) > 0:
        groups = list(samples)
    else:
        array = plain(name, samples)
        groups = list(array) if array.ndim == 3 else [array]
    if not groups:
        raise ValueError(f"{name} is empty")
    first = rows(f"{name}[0]", groups[0]).values.shape[1]
    return [rows(f"{name}[{i}]", group, first).values for i, group in enumerate(groups)]


def distance(
    a: ArrayLike | Sequence[ArrayLike],
    b: ArrayLike | Sequence[ArrayLike],
    *,
    metrics: Sequence[str] | None = None,
    bins: int | None = None,
    range: tuple[float, float] | None = None,
    bootstrap: int | None = None,
    projections: int | None = None,
    confidence: float | None = None,
    energy_samples: int | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> dict[str, Estimate]:
    """Every metric between two samples, each with a bootstrap interval and a resampling floor.

    As in the report of `compare`: the energy distance in two dimensions and more takes `energy_samples` of each side, and
    samples of sliced W2 are counted in fine cells; `w1`, `energy_distance` and `sliced_w2` are exact.

    Parameters
    ----------
    a, b
        Samples (n, D), or (n,) in one dimension. Where they are of several models, (N, n, D) or a list of (n, D): then models are
        what the bootstrap resamples.
    metrics, bins, range, bootstrap, projections, confidence, energy_samples
        As in ``[compare]`` of a config.
    seed
        Seed of the resamples and directions.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.
    """
    left, right = _groups("a", a), _groups("b", b)
    if left[0].shape[1] != right[0].shape[1]:
        raise ValueError(f"a has {left[0].shape[1]} columns and b has {right[0].shape[1]}; expected as many")
    settings = {
        "metrics": None if metrics is None else list(metrics),
        "bins": bins,
        "range": None if range is None else list(range),
        "bootstrap": bootstrap,
        "projections": projections,
        "confidence": confidence,
        "energy_samples": energy_samples,
    }
    found = _gtv.distance(left, right, encoded(settings, "compare."), seed, opener(progress))
    return {name: Estimate(*numbers) for name, numbers in found.items()}
