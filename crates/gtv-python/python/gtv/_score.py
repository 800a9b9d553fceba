"""Exact scores of data, and kernels of infinitely wide networks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gtv import _gtv
from gtv._arrays import ArrayLike, Floats, doubles, rows, times, within
from gtv._progress import Progress, opener
from gtv._schedule import Schedule


@dataclass(frozen=True, eq=False)
class ExactScore:
    """What is known in closed form of noisy data at Q points (x, t); arrays have the type of x.

    For x of shape (Q,), in one dimension, the axis D is left out of `score` and `posterior_mean`.
    """

    score: Floats
    """s(x, t) = grad log p(x | t), (Q, D)."""
    log_density: Floats
    """log p(x | t) in nats, (Q,)."""
    posterior_mean: Floats
    """m(x, t) = E[x0 | x, t], (Q, D)."""
    posterior_cov: Floats | None
    """Cov[x0 | x, t], (Q, D, D); its trace (Q,) for cov="trace"; None for cov="none"."""
    proxy_score_cov: Floats | None
    """C = Cov[proxy score | x, t] = (alpha/sigma^2)^2 Cov[x0 | x, t], as `posterior_cov`."""
    left_out: Floats
    """Bound on the share of the posterior's mass that the sums leave out, (Q,)."""


def exact_score(
    data: ArrayLike,
    x: ArrayLike,
    t: ArrayLike,
    schedule: Schedule,
    *,
    weights: ArrayLike | None = None,
    cov: Literal["none", "trace", "full"] = "none",
    tolerance: float | None = None,
    progress: Progress = None,
) -> ExactScore:
    """The score of a point set under noise, in closed form, with log-density and posterior moments.

    p(x | t) is the mixture of N(alpha_t mu_m, sigma_t^2 I) over the data mu_m.

    Parameters
    ----------
    data
        The points mu, (M, D), or (M,) in one dimension.
    x
        Where to evaluate, (Q, D), or (Q,) in one dimension.
    t
        A time, or one for each x, (Q,).
    schedule
        The forward process.
    weights
        pi_m, (M,), summing to 1; equal where they are not given.
    cov
        Which covariances to compute.
    tolerance
        Share of the posterior's mass that may be left out, at most 0.01; 1e-12 where it is not given.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.

    Examples
    --------
    >>> import gtv
    >>> found = gtv.exact_score([-1.0, 0.0, 1.0], [0.0, 0.3], 0.1, gtv.Schedule.vp_linear(), cov="full")
    >>> found.score.shape, found.proxy_score_cov.shape
    ((2,), (2, 1, 1))
    """
    points = rows("data", data)
    queries = rows("x", x, points.values.shape[1])
    found = _gtv.exact_score(
        points.values,
        None if weights is None else doubles("weights", weights).reshape(-1),
        queries.values,
        within("t", times("t", t, len(queries.values)), 0.0, schedule.t_max),
        schedule._native,
        cov,
        tolerance,
        opener(progress),
    )
    typed = {name: values.astype(queries.dtype, copy=False) for name, values in found.items()}
    return ExactScore(
        score=queries.like(found["score"]),
        log_density=typed["log_density"],
        posterior_mean=queries.like(found["posterior_mean"]),
        posterior_cov=typed.get("posterior_cov"),
        proxy_score_cov=typed.get("proxy_score_cov"),
        left_out=typed["left_out"],
    )


class Kernels(NamedTuple):
    """Kernels of an infinitely wide network."""

    nngp: Floats
    """Covariance of the network's output at initialisation, (n, m)."""
    ntk: Floats
    """The neural tangent kernel, (n, m)."""


def ntk(
    a: ArrayLike,
    b: ArrayLike | None = None,
    *,
    activation: Literal["relu", "erf", "tanh", "silu"] = "relu",
    depth: int = 1,
    weight_var: float = 1.0,
    bias_var: float = 0.0,
    progress: Progress = None,
) -> Kernels:
    """NNGP and neural tangent kernel of infinitely wide fully connected networks.

    Hidden layers have these variances; the readout has weight variance 1 and no bias.

    Parameters
    ----------
    a, b
        Inputs, (n, d) and (m, d); b is a where it is not given.
    activation
        ``"relu"`` and ``"erf"`` are closed forms, ``"tanh"`` and ``"silu"`` series, which take longer.
    depth
        Hidden layers.
    weight_var, bias_var
        Variances of hidden layers' weights, times fan-in, and biases.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.
    """
    left = rows("a", a)
    right = None if b is None else rows("b", b, left.values.shape[1])
    spec = json.dumps({"activation": activation, "depth": depth, "weight_var": weight_var, "bias_var": bias_var})
    nngp, tangent = _gtv.ntk(left.values, None if right is None else right.values, spec, opener(progress))
    return Kernels(nngp.astype(left.dtype, copy=False), tangent.astype(left.dtype, copy=False))
