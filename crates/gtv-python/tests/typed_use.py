"""A user's script with types: it runs, and mypy and pyright find nothing to say."""

import numpy as np
from numpy.typing import NDArray

import gtv


def member(x: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    return -x


def tangents(x: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones((len(x), 1, 1))


schedule = gtv.Schedule.vp_linear(t_min=0.01)
data = np.array([[-1.0], [0.0], [1.0]], dtype=np.float32)
score: NDArray[np.floating] = gtv.exact_score(data, x=[[0.3]], t=0.2, schedule=schedule, cov="full").score
law = gtv.v_kernel({"model": {"samples": 64}}, "leading")
covariance: NDArray[np.float64] = law.cov(([0.3], 0.2), ([-0.2], 0.1))
own = gtv.one_run(network=member, features=tangents, filter={"gd": [0.1]}, fresh=512)
x: NDArray[np.floating] = gtv.sample(law.sample_field(0), 100)
y = gtv.sample(member, 100, schedule, dim=1)
nats: NDArray[np.floating] = gtv.log_likelihood(member, x, schedule).nats
w1: float = gtv.distance(x, y)["w1"].value
others = [lambda x, t, a=a: -a * x for a in (0.8, 0.9, 1.0, 1.1, 1.2)]
small = {"sampling.paths": 100, "theory.closures": ["leading"], "theory.models": 5, "theory.paths": 100, "compare.bootstrap": 10}
result = gtv.compare({"model": {"samples": 64}}, ensemble=others, set=small)
distance: float = result.summary["distances"]["data"]["ensemble"]["w1"]["value"]
