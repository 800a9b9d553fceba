"""Log-likelihood under what models generate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from gtv import _gtv
from gtv._arrays import ArrayLike, Floats, ScoreFunction, doubles, function, rows, times, within
from gtv._progress import Progress, opener
from gtv._sampling import Field
from gtv._schedule import Schedule


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """ln q of n points; of several models, each array but `average` has them first, (N, n)."""

    nats: Floats
    """ln q(x), NaN where a path did not arrive."""
    standard_error: Floats
    """Of an estimated divergence, above 64 dimensions; 0 for an exact one."""
    bits_per_dimension: Floats
    """-nats / (D ln 2)."""
    average: Floats
    """ln of the mean over models of q(x), (n,): the law that is the models' average."""


def exact_field(data: ArrayLike, schedule: Schedule, *, weights: ArrayLike | None = None) -> Field:
    """The exact score of a point set as a field, for `sample` and `log_likelihood`.

    Parameters
    ----------
    data
        The points, (M, D), or (M,) in one dimension.
    schedule
        The forward process.
    weights
        (M,), summing to 1; equal where they are not given.

    Examples
    --------
    >>> import gtv
    >>> field = gtv.exact_field([-1.0, 0.0, 1.0], gtv.Schedule.vp_linear())
    >>> field([0.3], 0.1).shape
    (1,)
    """
    given = None if weights is None else doubles("weights", weights).reshape(-1)
    return Field(_gtv.exact_field(rows("data", data).values, given, schedule._native), schedule)


def log_likelihood(
    model: ScoreFunction | Field | Sequence[ScoreFunction | Field],
    x: ArrayLike,
    schedule: Schedule | None = None,
    *,
    t: ArrayLike | None = None,
    prediction: Literal["score", "denoiser", "noise", "velocity"] = "score",
    dtype: DTypeLike = np.float64,
    tolerance: float | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> LogLikelihood:
    """ln q(x) under the distribution at t that a model's probability flow makes of N(0, sigma_T^2 I).

    By the instantaneous change of variables. The divergence is in closed form for `exact_field`, from differences along every
    axis up to 64 dimensions, and Hutchinson's estimate from 16 directions above, with its standard error. A function is called for
    up to 1,024 points and all axes at once.

    Parameters
    ----------
    model
        ``f(x, t)`` with x (n, D) and t (n,), which answers (n, D); a field of `exact_field`, `VKernel.sample_field` or
        `VKernel.mean_field`; or a list of either, such as the members of an ensemble.
    x
        The points, (n, D), or (n,) in one dimension.
    schedule
        The forward process; a `Field` knows its own.
    t
        A time, or one for each point, (n,); t_min where it is not given.
    prediction
        What functions answer: the score, the denoiser E[x0 | x], the noise, or the velocity.
    dtype
        Type of the arrays that functions are given. Differences of answers in float32 are good to about 1e-3 nats.
    tolerance
        Of each step; 1e-7, and 1e-5 in float32.
    seed
        Seed of Hutchinson's directions.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.

    Examples
    --------
    >>> import gtv
    >>> schedule = gtv.Schedule.vp_linear()
    >>> found = gtv.log_likelihood(gtv.exact_field([-1.0, 0.0, 1.0], schedule), [0.1, 0.9])
    >>> found.nats.shape
    (2,)
    """
    one = isinstance(model, Field) or callable(model)
    models: Sequence[Any] = [model] if one else list(model)  # type: ignore[arg-type]
    if len(models) == 0:
        raise ValueError("model is an empty list; expected at least one function or field")
    for field in models:
        if not isinstance(field, Field):
            continue
        if schedule is not None and schedule != field.schedule:
            raise ValueError("schedule is not that of the field; leave it out")
        schedule = field.schedule
    if schedule is None:
        raise TypeError("schedule is needed where model is a function")
    points = rows("x", x, next((f.dim for f in models if isinstance(f, Field)), None))
    count, dim = points.values.shape
    single = np.dtype(dtype) == np.float32
    native = [
        f._native if isinstance(f, Field) else function("model" if one else f"model[{i}]", f, dtype)
        for i, f in enumerate(models)
    ]
    found = _gtv.log_likelihood(
        native,
        points.values,
        within("t", times("t", schedule.t_min if t is None else t, count), schedule.t_min, schedule.t_max),
        schedule._native,
        prediction,
        5e-3 if single else 1e-5,
        (1e-5 if single else 1e-7) if tolerance is None else tolerance,
        seed,
        opener(progress),
    )
    nats, error = (found[name][0] if one else found[name] for name in ("nats", "standard_error"))
    bits = -nats / (dim * np.log(2))
    return LogLikelihood(*(values.astype(points.dtype, copy=False) for values in (nats, error, bits, found["average"])))
