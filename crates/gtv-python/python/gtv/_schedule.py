"""Noise schedules."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, Floats, doubles, plain
from gtv._config import encoded


class Schedule:
    """A forward process dx = -beta_t x dt + sqrt(2 D_t) dW, so that p(x | x0, t) = N(alpha_t x0, sigma_t^2 I).

    Made by the class methods, one for each kind, for times from `t_min` (where sampling stops) to `t_max` (where it starts).
    Every function of time takes a number or an array of times, and answers in its shape.

    Examples
    --------
    >>> import gtv
    >>> schedule = gtv.Schedule.vp_linear(t_min=0.01)
    >>> bool(abs(schedule.signal(0.5) ** 2 + schedule.noise_var(0.5) - 1) < 1e-12)
    True
    """

    __slots__ = ("_native",)

    def __init__(self, kind: str = "vp-linear", *, t_min: float | None = None, t_max: float | None = None, **parameters: Any) -> None:
        settings = {"kind": kind, "t_min": t_min, "t_max": t_max, **parameters}
        self._native = _gtv.Schedule(encoded(settings, "schedule."))

    @classmethod
    def _of(cls, native: _gtv.Schedule) -> Schedule:
        made = cls.__new__(cls)
        made._native = native
        return made

    @classmethod
    def vp_linear(cls, beta_min: float = 0.1, beta_d: float = 19.9, *, t_min: float = 0.01, t_max: float = 1.0) -> Schedule:
        """Variance preserving as in the paper: beta = D = beta_min + beta_d t, sigma^2 = 1 - alpha^2."""
        return cls("vp-linear", t_min=t_min, t_max=t_max, beta_min=beta_min, beta_d=beta_d)

    @classmethod
    def vp_song(cls, beta_min: float = 0.1, beta_d: float = 19.9, *, t_min: float = 0.01, t_max: float = 1.0) -> Schedule:
        """Song et al.'s convention, with beta/2 in the drift: beta = D = (beta_min + beta_d t)/2."""
        return cls("vp-song", t_min=t_min, t_max=t_max, beta_min=beta_min, beta_d=beta_d)

    @classmethod
    def vp_cosine(cls, offset: float = 0.008, *, t_min: float = 0.01, t_max: float = 0.99) -> Schedule:
        """Nichol and Dhariwal's cosine schedule with the offset s; alpha vanishes at t = 1."""
        return cls("vp-cosine", t_min=t_min, t_max=t_max, offset=offset)

    @classmethod
    def ve(cls, sigma_min: float = 0.01, sigma_max: float = 50.0, *, t_min: float = 0.01, t_max: float = 1.0) -> Schedule:
        """Variance exploding: alpha = 1, sigma^2 = sigma_min^2 ((sigma_max/sigma_min)^(2t) - 1)."""
        return cls("ve", t_min=t_min, t_max=t_max, sigma_min=sigma_min, sigma_max=sigma_max)

    @classmethod
    def edm(cls, *, t_min: float = 0.002, t_max: float = 80.0) -> Schedule:
        """Karras et al.: alpha = 1, sigma = t."""
        return cls("edm", t_min=t_min, t_max=t_max)

    @classmethod
    def sqrt(cls, *, t_min: float = 0.01, t_max: float = 0.99) -> Schedule:
        """Figure 1 of the paper: alpha = sqrt(1 - t), sigma^2 = t."""
        return cls("sqrt", t_min=t_min, t_max=t_max)

    @classmethod
    def flow(cls, *, t_min: float = 0.01, t_max: float = 0.99) -> Schedule:
        """Flow matching's straight path: alpha = 1 - t, sigma = t."""
        return cls("flow", t_min=t_min, t_max=t_max)

    @classmethod
    def table(cls, path: str | os.PathLike[str], *, t_min: float, t_max: float) -> Schedule:
        """A schedule of one's own: an .npz with t, alpha and sigma, which is interpolated."""
        return cls("table", t_min=t_min, t_max=t_max, path=os.path.abspath(path))

    @property
    def kind(self) -> str:
        """The name of the kind, as in a config."""
        return self._native.kind

    @property
    def t_min(self) -> float:
        """epsilon, where sampling stops."""
        return self._native.t_min

    @property
    def t_max(self) -> float:
        """T, where sampling starts."""
        return self._native.t_max

    def signal(self, t: ArrayLike) -> Floats:
        """alpha_t."""
        return _shaped(t, self._native.signal(doubles("t", t)))

    def noise_std(self, t: ArrayLike) -> Floats:
        """sigma_t."""
        return _shaped(t, self._native.noise_std(doubles("t", t)))

    def noise_var(self, t: ArrayLike) -> Floats:
        """sigma_t^2."""
        return _shaped(t, self._native.noise_var(doubles("t", t)))

    def drift_rate(self, t: ArrayLike) -> Floats:
        """beta_t, per unit time."""
        return _shaped(t, self._native.drift_rate(doubles("t", t)))

    def diffusion(self, t: ArrayLike) -> Floats:
        """D_t, in units of x^2 per unit time."""
        return _shaped(t, self._native.diffusion(doubles("t", t)))

    def log_snr(self, t: ArrayLike) -> Floats:
        """ln(alpha^2/sigma^2)."""
        return _shaped(t, self._native.log_snr(doubles("t", t)))

    def time_at_log_snr(self, log_snr: ArrayLike) -> Floats:
        """The time at which the log-SNR is this."""
        return _shaped(log_snr, self._native.time_at_log_snr(doubles("log_snr", log_snr)))

    def grid(self, steps: int, grid: str = "uniform", *, rho: float | None = None) -> Doubles:
        """Step times from t_max down to t_min, both ends exact.

        Parameters
        ----------
        steps
            Number of steps.
        grid
            ``"uniform"`` in t, ``"edm-rho"`` or ``"log-snr"``.
        rho
            The exponent of ``"edm-rho"``, 7 where it is not given.

        Returns
        -------
        (steps + 1,) array
        """
        return self._native.grid(encoded({"steps": steps, "grid": grid, "rho": rho}, "sampling."))

    def __repr__(self) -> str:
        return repr(self._native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self._native == other._native


def _shaped(t: Any, values: Doubles) -> Floats:
    return np.asarray(values.reshape(np.shape(t)), dtype=np.float32 if plain("t", t).dtype == np.float32 else np.float64)
