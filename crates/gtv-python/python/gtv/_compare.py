"""The main job: theory against an ensemble of trained models."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from gtv import _gtv
from gtv._arrays import ArrayLike, Doubles, ScoreFunction, doubles, function, features_function, rows
from gtv._config import Config, encoded, located
from gtv._kernel import VKernel
from gtv._progress import Progress, opener

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

Ensemble: TypeAlias = (
    Sequence[ScoreFunction] | ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike] | str | os.PathLike[str] | None
)
"""Functions, samples, arrays by name, a file or a run folder, or None for models that gtv trains."""


class Result:
    """What a comparison has found; in Jupyter and marimo it shows itself as the report."""

    def __init__(self, native: _gtv.Comparison, data: Path | None) -> None:
        self._native = native
        self._data = data
        self._summary: dict[str, Any] | None = None
        self._html: str | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """All numbers: the record that `gtv-cli compare` writes to ``summary.json``.

        ``summary["distances"][a][b][metric]`` has value, lo, hi and floor; ``summary["kernel"][closure]`` has mean_error,
        variance_ratio and correlation.
        """
        if self._summary is None:
            found: dict[str, Any] = json.loads(self._native.summary())
            self._summary = found
        return self._summary

    @property
    def arrays(self) -> dict[str, Doubles]:
        """Densities, bands, probe points and maps, as in ``arrays.npz``."""
        return self._native.arrays()

    @property
    def samples(self) -> dict[str, list[Doubles]]:
        """Samples of each level: a list of arrays (n, D), one a model."""
        return self._native.samples()

    @property
    def answer(self) -> list[str]:
        """The answer in sentences, as at the head of the report."""
        return self._native.text()[0]

    @property
    def config(self) -> str:
        """The resolved config, every key of it, as TOML."""
        return self._native.config()

    def to_dataframe(self) -> pd.DataFrame:
        """Every distance as a row: a, b, metric, value, lo, hi, floor. Needs pandas."""
        import pandas as pd  # type: ignore[import-untyped, unused-ignore]

        columns = ["a", "b", "metric", "value", "lo", "hi", "floor"]
        found = [
            [a, b, metric, *(estimate.get(name, np.nan) for name in columns[3:])]
            for a, others in self.summary["distances"].items()
            for b, metrics in others.items()
            for metric, estimate in metrics.items()
        ]
        return pd.DataFrame(found, columns=columns)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the folder of a run: ``report.html``, ``summary.json``, ``arrays.npz``, ``config.toml`` and ``figures/``.

        The folder must be new, empty, or that of an earlier run. ``gtv-cli report`` reads it.
        """
        path = Path(folder)
        self._native.save(path)
        if self._data is not None:
            shutil.copyfile(self._data, path / "data.npy")
            text = (path / "config.toml").read_text(encoding="utf-8")
            (path / "config.toml").write_text(text.replace(str(self._data), "data.npy"), encoding="utf-8")
        return path

    def report(self) -> str:
        """The report: one page of HTML, which fetches nothing."""
        if self._html is None:
            with tempfile.TemporaryDirectory() as folder:
                self._html = (self.save(Path(folder) / "run") / "report.html").read_text(encoding="utf-8")
        return self._html

    def show(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Prints the answer and the table, and opens the report.

        Parameters
        ----------
        folder
            Where the run is written; a new temporary folder where it is not given. Where there is no browser, the path is printed.
        """
        path = self.save(Path(tempfile.mkdtemp(prefix="gtv-")) / "run" if folder is None else folder) / "report.html"
        print(self)
        print(f"report: {path}")
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name == "nt" or os.uname().sysname == "Darwin":
            webbrowser.open(path.resolve().as_uri())

    def __str__(self) -> str:
        answer, table = self._native.text()
        return "\n".join(["\n".join(answer), "", table.rstrip()])

    def __repr__(self) -> str:
        levels = ", ".join(self.summary["levels"])
        return f"<gtv.Result: levels {levels}>"

    def _repr_html_(self) -> str:
        """The report in a frame of its own, so that its style and script stay in it."""
        page = base64.b64encode(self.report().encode()).decode()
        return f'<iframe src="data:text/html;base64,{page}" style="width: 100%; height: 800px; border: 0"></iframe>'


class _Brought:
    """What a user brings of an ensemble, sorted out."""

    def __init__(self, ensemble: Any, dtype: DTypeLike) -> None:
        self.functions: list[Any] | None = None
        self.arrays: list[tuple[str, Doubles]] | None = None
        self.run: str | None = None
        self.settings: dict[str, Any] = {}
        if ensemble is None:
            return
        if isinstance(ensemble, (str, os.PathLike)):
            path = os.fspath(ensemble)
            if Path(path).is_dir():
                self.run = path
            else:
                kind = "onnx" if path.lower().endswith(".onnx") else "file"
                self.settings = {"ensemble": {}, "ensemble.kind": kind, "ensemble.path": os.path.abspath(path)}
        elif isinstance(ensemble, Mapping):
            self.arrays = [(str(name), doubles(str(name), values)) for name, values in ensemble.items()]
        elif isinstance(ensemble, (list, tuple)) and len(ensemble) == 0:
            raise ValueError("ensemble is empty; expected functions f(x, t), one a model, or samples")
        elif callable(ensemble):
            self.functions = [function("ensemble[0]", ensemble, dtype)]
        elif isinstance(ensemble, (list, tuple)) and all(callable(f) for f in ensemble):
            self.functions = [function(f"ensemble[{i}]", f, dtype) for i, f in enumerate(ensemble)]
        elif isinstance(ensemble, (list, tuple)) and np.ndim(ensemble[0]) > 0:
            self.arrays = [("samples", rows(f"ensemble[{i}]", samples).values) for i, samples in enumerate(ensemble)]
        else:
            self.arrays = [("samples", doubles("ensemble", ensemble))]


def compare(
    config: Config = None,
    *,
    ensemble: Ensemble = None,
    prediction: Literal["score", "denoiser", "noise", "velocity"] = "score",
    features: ScoreFunction | None = None,
    law: VKernel | None = None,
    data: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
    set: Mapping[str, Any] | None = None,
    seed: int | None = None,
    progress: Progress = None,
) -> Result:
    """Puts the theory's prediction and an ensemble of trained models side by side, level by level, with error bars.

    Parameters
    ----------
    config
        A dict of settings as in a config file (``gtv-cli explain`` lists them), the path of one, or None for the main job:
        300 linear models of four points on a circle.
    ensemble
        The trained models. None: gtv trains those of ``[model]``. A list of functions ``f(x, t)`` with x (n, D) and t (n,), one a
        model: everything is compared. Samples (N, n, D), or a list of arrays (n, D): their level alone. A dict of arrays
        ``x`` (Q, D), ``t`` (Q,), one of ``score``, ``denoiser``, ``noise``, ``velocity`` (N, Q, D), ``samples``, and what the theory
        is to predict from, ``features`` (N0, Q, F) or ``gram`` (Q, Q) at the points. A path: of such a file, or the folder of
        ``gtv-cli train``. ``result.summary["outside"]`` says what was missing.
    prediction
        What the functions answer.
    features
        phi(x, t) -> (n, F): the closures predict linear models in these features, such as a network's own tangent features.
    law
        What `one_run` found of one of the networks, for the same data, schedule and loss: the closure is then one-run, and
        ``result.summary["one_run"]`` has what it predicts beside what the ensemble has.
    data
        The points that the models learn, (M, D), or (M,) in one dimension; else those of ``[data]``.
    dtype
        Type of the arrays that functions are given.
    set
        Settings that are changed, by dotted key.
    seed
        Seed of every random number.
    progress
        Opens a progress bar for each stage, such as ``tqdm.tqdm``; True for tqdm's own.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        Settings or arrays that cannot be, by their names.
    Exception
        Whatever a function raises. It then has an attribute ``samples``: by model, the states that were drawn before.

    Examples
    --------
    >>> import gtv
    >>> theory = {"closures": ["leading"], "models": 5, "paths": 100}
    >>> small = {"ensemble": {"members": 5}, "sampling": {"paths": 100}, "theory": theory}
    >>> result = gtv.compare(small, seed=1)
    >>> list(result.summary["kernel"])
    ['leading']
    """
    brought = _Brought(ensemble, dtype)
    if brought.run is not None and config is None:
        config = Path(brought.run) / "config.toml"
    path, settings = located(config)
    changed = {**settings, **(set or {}), **brought.settings}
    if seed is not None:
        changed["seed"] = seed
    if law is not None:
        if not isinstance(law, VKernel):
            raise TypeError(f"law is {type(law).__name__}; expected what gtv.one_run found")
        if ensemble is None:
            raise ValueError("law is of one of the networks of an ensemble, which is not given; expected ensemble=[f, ...]")
        if features is not None:
            raise ValueError("features and law are both given; expected one of them to predict from")
        changed["theory.closures"] = ["one-run"]
    native_features = None if features is None else features_function("features", features, dtype)

    def run(changed: Mapping[str, Any], data: Path | None) -> Result:
        found = _gtv.compare(
            config is None,
            path,
            encoded(changed),
            brought.functions,
            prediction,
            brought.arrays,
            brought.run,
            native_features,
            None if law is None else law._native,
            opener(progress),
        )
        return Result(found, data)

    if data is None:
        return run(changed, None)
    points = Path(tempfile.mkdtemp(prefix="gtv-")) / "data.npy"
    np.save(points, rows("data", data).values)
    return run({**changed, "data": {}, "data.kind": "file", "data.path": str(points)}, points)
