"""The V-kernel: mean and covariance of a learned score over training randomness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, Floats, rows, times, within
from gtv._config import Config, encoded, located
from gtv._progress import Progress, opener
from gtv._sampling import Field
from gtv._schedule import Schedule

At: TypeAlias = tuple[ArrayLike, ArrayLike]
"""Points (x, t): x (n, D), or (n,) in one dimension; t a number or (n,)."""


class VKernel:
    """The law of a learned score in a closure: made by `v_kernel`."""

    __slots__ = ("_native",)

    def __init__(self, native: _gtv.VKernel) -> None:
        self._native = native

    @property
    def dim(self) -> int:
        """D."""
        return self._native.dim

    @property
    def closure(self) -> str:
        """The closure's name."""
        return self._native.closure

    @property
    def schedule(self) -> Schedule:
        """The forward process."""
        return Schedule._of(self._native.schedule)

    def mean(self, x: ArrayLike, t: ArrayLike) -> Floats:
        """s_avg(x, t), the mean of the learned score over training sets, (n, D)."""
        points = rows("x", x, self.dim)
        return points.like(self._native.mean(points.values, self._times("t", t, len(points.values))))

    def _times(self, name: str, t: ArrayLike, count: int) -> Doubles:
        """Times of the schedule, beyond which no model has learned."""
        return within(name, times(name, t, count), self.schedule.t_min, self.schedule.t_max)

    def cov(self, at: At, other: At | None = None, *, progress: Progress = None) -> Doubles:
        """Cov[score(z), score(z')] of the learned score at pairs of points.

        Parameters
        ----------
        at
            (x, t) of n points.
        other
            (x', t') of as many; the same points where it is not given.

        Returns
        -------
        (n, D, D) array: rows belong to z, columns to z'.
        """
        here = rows("x", at[0], self.dim)
        count = len(here.values)
        here_t = self._times("t", at[1], count)
        if other is None:
            return self._native.cov(here.values, here_t, here.values, here_t, opener(progress))
        there = rows("x'", other[0], self.dim)
        if len(there.values) != count:
            raise ValueError(f"x has {count} points and x' has {len(there.values)}; expected as many")
        return self._native.cov(here.values, here_t, there.values, self._times("t'", other[1], count), opener(progress))

    def v(self, at: At, other: At | None = None, *, progress: Progress = None) -> Doubles:
        """V(z, z') = D_t Cov[score(z), score(z')] D_t', the covariance of the noise in the effective dynamics, (n, D, D)."""
        cov = self.cov(at, other, progress=progress)
        t, u = (times("t", z[1], len(cov)) for z in (at, at if other is None else other))
        schedule = self.schedule
        factor: Doubles = schedule.diffusion(t) * schedule.diffusion(u)
        return factor[:, None, None] * cov

    def sample_field(self, index: int = 0) -> Field:
        """One draw of the whole learned score, a predicted model; each index has its own."""
        return Field(self._native.sample_field(index), self.schedule)

    def mean_field(self) -> Field:
        """The mean score as a field, for `sample` and `log_likelihood`."""
        return Field(self._native.mean_field(), self.schedule)

    def __repr__(self) -> str:
        return f"VKernel(closure={self.closure!r}, dim={self.dim}, schedule={self.schedule!r})"


def v_kernel(problem: Config = None, closure: str = "finite-p", *, set: Mapping[str, Any] | None = None, progress: Progress = None) -> VKernel:
    """Solves a closure for the models of a config.

    Parameters
    ----------
    problem
        A dict of settings as in a config file, the path of one, or None for the defaults (linear models of three points).
    closure
        ``"paper"``, ``"leading"``, ``"finite-p"`` or ``"shot-noise"``.
    set
        Settings that are changed, by dotted key.
    progress
        Opens a progress bar, such as ``tqdm.tqdm``.

    Examples
    --------
    >>> import gtv
    >>> v = gtv.v_kernel({"model": {"samples": 1024}}, "leading")
    >>> v.mean([0.3], 0.4).shape, v.cov(([0.3], 0.4), ([-0.2], 0.1)).shape
    ((1,), (1, 1, 1))
    """
    path, settings = located(problem)
    changed = {**settings, **(set or {}), "theory.closures": [closure]}
    return VKernel(_gtv.v_kernel(path, encoded(changed), closure, opener(progress)))
