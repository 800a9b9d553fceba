"""What distribution does a diffusion model learn on average, and why?

`compare` puts theory and trained models side by side: gtv's own, or yours. `exact_score` is the score of data in closed form, `v_kernel` the theory's law of a learned score, `one_run` that of a network from its own training run, `sample` draws from any score, `log_likelihood` tells what it makes of points,
`distance` compares samples with intervals and floors.
"""

from gtv._compare import Result, compare
from gtv._distances import Estimate, directions, distance, energy_distance, sliced_w2, w1
from gtv._gtv import VERSION as __version__
from gtv._kernel import VKernel, v_kernel
from gtv._likelihood import LogLikelihood, exact_field, log_likelihood
from gtv._one_run import one_run
from gtv._sampling import Field, sample
from gtv._schedule import Schedule
from gtv._score import ExactScore, Kernels, exact_score, ntk

__all__ = [
    "Estimate",
    "ExactScore",
    "Field",
    "Kernels",
    "LogLikelihood",
    "Result",
    "Schedule",
    "VKernel",
    "__version__",
    "compare",
    "directions",
    "distance",
    "energy_distance",
    "exact_field",
    "exact_score",
    "log_likelihood",
    "ntk",
    "one_run",
    "sample",
    "sliced_w2",
    "v_kernel",
    "w1",
]
