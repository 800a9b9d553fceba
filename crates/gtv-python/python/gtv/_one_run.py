"""Error bars of a network from its own training run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, ScoreFunction, doubles, function, rows, tangents_function, times
from gtv._config import Config, encoded, located
from gtv._kernel import VKernel
from gtv._progress import Progress, opener

_ENDS = ("ridge", "flow")
_STEPS = {"gd": 0.0, "momentum": 0.9, "adam": 0.9}
"""What each rule keeps of the past gradient, where `share` does not say it."""
_BESIDE = ("batch", "average", "decay", "share")


def _number(name: str, value: Any) -> float:
    """A finite number."""
    found = doubles(f"filter: {name}", value)
    if found.size != 1 or not np.isfinite(found).all():
        raise ValueError(f"filter: {name} is {value!r}; expected a finite number")
    return float(found.item())


def _filter(given: Mapping[str, Any]) -> str:
    """A filter as the Rust half reads it."""
    rules = [rule for rule in (*_ENDS, *_STEPS) if rule in given]
    beside = [key for key in given if key not in rules]
    if len(rules) != 1 or not {*beside} <= {*_BESIDE} or (beside and rules[0] in _ENDS) or (rules[0] == "gd" and "share" in given):
        raise ValueError(
            f"filter has {', '.join(map(repr, given)) or 'nothing'}; expected one of ridge, flow, gd, momentum, adam; beside the last three "
            "may be batch, average, decay, and share with momentum and adam"
        )
    rule = rules[0]
    if rule in _ENDS:
        value = _number(rule, given[rule])
        if value <= 0:
            raise ValueError(f"filter: {rule} is {given[rule]}; expected a number above 0")
        return json.dumps({rule: value})
    rates = np.atleast_1d(doubles(f"filter: {rule}", given[rule]))
    if rates.ndim != 1 or not np.isfinite(rates).all():
        raise ValueError(f"filter: {rule} has shape {rates.shape}; expected finite learning rates, one a step")
    steps: dict[str, Any] = {"rates": rates.tolist()}
    steps |= {key: _number(key, given.get(key, usual)) for key, usual in (("share", _STEPS[rule]), ("decay", 0.0))}
    if "batch" in given:
        steps["batch"] = int(_number("batch", given["batch"]))
    if "average" in given:
        average = doubles("filter: average", given["average"])
        if average.shape not in ((1,), rates.shape):
            raise ValueError(f"filter: average has shape {average.shape}; expected a number or {rates.shape}, one a step")
        steps["average"] = np.broadcast_to(average, rates.shape).tolist()
    return json.dumps({rule: steps})


def _triples(given: tuple[ArrayLike, ArrayLike, ArrayLike]) -> tuple[Doubles, Doubles, Doubles]:
    """Training triples (x0, t, x)."""
    x0, x = (rows(f"triples: {name}", values).values for name, values in (("x0", given[0]), ("x", given[2])))
    t = times("triples: t", given[1], len(x0))
    if x.shape != x0.shape:
        raise ValueError(f"triples: x0 has shape {x0.shape} and x has {x.shape}; expected the same")
    return x0, t, x


def one_run(
    config: Config = None,
    *,
    network: ScoreFunction,
    features: Callable[[Any, Any], Any],
    filter: Mapping[str, Any],
    prediction: Literal["score", "denoiser", "noise", "velocity"] = "score",
    triples: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    residuals: Literal["fresh", "training"] = "fresh",
    fresh: int = 12_288,
    dtype: DTypeLike = np.float64,
    set: Mapping[str, Any] | None = None,
    progress: Progress = None,
) -> VKernel:
    """How much a network's learned score would change if it were trained again on other data, from one training run.

    The network is linearised at its trained parameters, in the metric M of its optimiser; what single triples pull at it goes through the
    optimiser's own steps. To first order, for data and batches that are drawn anew: what differs between initialisations is not in it.

    Parameters
    ----------
    config
        Data, schedule and loss, as in a config file: ``model.samples`` is the number of training triples (x0, t, x), ``model.prediction``
        and ``model.weight`` what the loss was about.
    network
        f(x, t) -> (n, D), the trained network.
    features
        phi(x, t) -> (n, D, K): the derivative of the network's answer along K directions of the parameters, J M^(1/2) Q with Q orthonormal.
        All tangent features, Q = 1, where they are few; else the leading some hundred. For gradient descent and momentum M = 1: J itself.
        For Adam each column of J is divided by sqrt(sqrt(v) + eps), v the bias-corrected second moment at the end. A loss that is s times
        half of the mean of w |label - answer|^2 has features sqrt(s) larger: s = 2/D for the mean over all numbers.
    filter
        The optimiser: ``{"adam": rates, "share": 0.9, "batch": 64}``, with the learning rate of every step, the share that the past
        gradient keeps (beta1) and the triples of a step, all of them where it is not given; ``{"momentum": rates, ...}``,
        ``{"gd": rates, ...}``. ``average`` is the weight of the past in a running average of the parameters that is kept in their place, a
        number or one a step; ``decay`` is decoupled weight decay. Or the end of a training: ``{"ridge": gamma}``, ``{"flow": time}``.
    prediction
        What the network answers.
    triples
        What it was trained on, (x0, t, x) of shapes (P, D), (P,), (P, D); those of one data point after one another where
        ``model.draws`` is above 1. The law's mean is then rid of this run's own deviation; without it the mean is the network itself.
    residuals
        Measured on triples that are drawn anew from the data of the config, or, ``"training"``, on `triples`, each as if it had been left
        out: for data without a source of more.
    fresh
        How many are drawn anew. With `triples` the mean takes four for each of them, where that is more.
    dtype
        Type of the arrays that functions are given.
    set
        Settings that are changed, by dotted key.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.

    Returns
    -------
    The law of the score of networks trained again: `VKernel.cov`, `VKernel.v`, `VKernel.sample_field`. It asks both functions again,
    for points that were not asked for before, many at a time.

    Examples
    --------
    A network of one number, trained for 100 steps to predict the noise by it:

    >>> import gtv, numpy as np
    >>> config = {"model": {"samples": 400, "prediction": "noise"}}
    >>> ones = lambda x, t: np.ones((len(x), 1, 1))
    >>> law = gtv.one_run(config, network=lambda x, t: 0 * x, features=ones, filter={"gd": [0.1] * 100}, prediction="noise")
    >>> law.cov(([0.3], 0.4)).shape
    (1, 1, 1)
    """
    if residuals == "training" and triples is None:
        raise ValueError("residuals is 'training', on triples that are not given; expected triples=(x0, t, x)")
    if fresh < 2:
        raise ValueError(f"fresh is {fresh}; expected at least 2, and some thousands for an answer within a few percent")
    path, settings = located(config)
    native = _gtv.one_run(
        path,
        encoded({**settings, **(set or {})}),
        function("network", network, dtype),
        prediction,
        tangents_function("features", features, dtype),
        _filter(filter),
        None if triples is None else _triples(triples),
        residuals,
        fresh,
        opener(progress),
    )
    return VKernel(native)
