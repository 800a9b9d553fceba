"""Score fields and sampling."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, Floats, ScoreFunction, doubles, function, rows, times, within
from gtv._config import encoded
from gtv._progress import Progress, opener
from gtv._schedule import Schedule


class Field:
    """A learned score that gtv has drawn: ``field(x, t)`` is its score."""

    __slots__ = ("_native", "schedule")

    def __init__(self, native: _gtv.Field, schedule: Schedule) -> None:
        self._native = native
        self.schedule: Schedule = schedule

    @property
    def dim(self) -> int:
        """D."""
        return self._native.dim

    def __call__(self, x: ArrayLike, t: ArrayLike) -> Floats:
        """The score at points x, (n, D) or (n,) in one dimension, and a time or a time for each, (n,)."""
        points = rows("x", x, self.dim)
        at = within("t", times("t", t, len(points.values)), self.schedule.t_min, self.schedule.t_max)
        return points.like(self._native.score(points.values, at))


def sample(
    score: ScoreFunction | Field,
    count: int,
    schedule: Schedule | None = None,
    *,
    dim: int | None = None,
    prediction: Literal["score", "denoiser", "noise", "velocity"] = "score",
    method: Literal["ode", "sde"] = "ode",
    integrator: Literal["euler", "heun", "rk4", "dopri5"] = "euler",
    steps: int = 30,
    grid: Literal["uniform", "edm-rho", "log-snr"] = "uniform",
    form: Literal["time", "denoiser"] = "time",
    mean: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
    seed: int = 0,
    progress: Progress = None,
) -> Doubles:
    """Samples of a model: x_T ~ N(0, sigma_T^2 I) carried to t_min.

    A function of Python is called with large batches, for all paths at a step (up to 65,536), never for one path.

    Parameters
    ----------
    score
        ``f(x, t)`` with x (n, D) and t (n,), which answers (n, D); or a field of `VKernel.sample_field`.
    count
        Samples.
    schedule
        The forward process; a `Field` knows its own.
    dim
        D, where `score` is a function.
    prediction
        What the function answers: the score, the denoiser E[x0 | x], the noise, or the velocity.
    method
        ``"ode"``, the probability flow, or ``"sde"``, the reverse SDE.
    integrator, steps, grid, form
        As in ``[sampling]`` of a config.
    mean
        Paths start around alpha_T times this, (D,).
    dtype
        Type of the arrays that the function is given.
    seed
        Seed of the initial states and of the noise.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.

    Returns
    -------
    (count, D) array; paths that diverge are left out, with a warning.

    Examples
    --------
    >>> import gtv
    >>> schedule = gtv.Schedule.vp_linear()
    >>> def score(x, t):
    ...     return gtv.exact_score([[-1.0], [0.0], [1.0]], x, t, schedule).score
    >>> gtv.sample(score, 1000, schedule, dim=1).shape
    (1000, 1)
    """
    if isinstance(score, Field):
        if schedule is not None and schedule != score.schedule:
            raise ValueError("schedule is not that of the field; leave it out")
        native: object = score._native
        process, size, prediction = score.schedule, score.dim, "score"
    else:
        if schedule is None or dim is None:
            raise TypeError("schedule and dim are needed where score is a function")
        native, process, size = function("score", score, dtype), schedule, dim
    if count < 1 or size < 1:
        raise ValueError(f"count is {count} and dim is {size}; expected at least 1")
    settings = {"integrator": integrator, "steps": steps, "grid": grid, "form": form}
    return _gtv.sample(
        native,
        count,
        size,
        process._native,
        encoded(settings, "sampling."),
        prediction,
        method == "sde",
        None if mean is None else doubles("mean", mean).reshape(-1),
        seed,
        opener(progress),
    )
