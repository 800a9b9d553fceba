"""What distribution does a diffusion model learn on average, and why?

`exact_score` is the score of data in closed form, `v_kernel` the theory's law of a learned score, `sample` draws from any score,
`distance` compares samples with intervals and floors.
"""

from gtv._distances import Estimate, directions, distance, energy_distance, sliced_w2, w1
from gtv._gtv import VERSION as __version__
from gtv._kernel import VKernel, v_kernel
from gtv._sampling import Field, sample
from gtv._schedule import Schedule
from gtv._score import ExactScore, Kernels, exact_score, ntk

__all__ = [
    "Estimate",
    "ExactScore",
    "Field",
    "Kernels",
    "Schedule",
    "VKernel",
    "__version__",
    "directions",
    "distance",
    "energy_distance",
    "exact_score",
    "ntk",
    "sample",
    "sliced_w2",
    "v_kernel",
    "w1",
]
