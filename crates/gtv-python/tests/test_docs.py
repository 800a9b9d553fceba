"""Snippets of docs/own-models.md run as they stand, with small networks for the reader's own."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gtv

REPOSITORY = Path(__file__).parents[3]
SCHEDULE = gtv.Schedule.vp_linear(t_min=0.01)
SMALL = """
[data]
kind = "square"
[model]
samples = 256
features = { kind = "gaussian", x = 4, t = 4 }
[sampling]
paths = 50
steps = 20
[theory]
closures = ["leading"]
models = 4
paths = 50
times = 8
noise_spacing = 0.5
[compare]
bootstrap = 10
bins = 20
"""


def snippets(heading):
    """The blocks of Python below a heading."""
    text = (REPOSITORY / "docs" / "own-models.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def probes(dim, t=None, count=20):
    """A file as `gtv-cli probes` writes it."""
    rng = np.random.default_rng(1)
    t = rng.uniform(0.01, 1.0, count) if t is None else t
    np.savez("probes.npz", x=rng.normal(size=(len(t), dim)), t=t, alpha=SCHEDULE.signal(t), sigma=SCHEDULE.noise_std(t))
    return np.load("probes.npz")


def test_jax(folder):
    pytest.importorskip("jax")
    at = probes(3)
    model = SimpleNamespace(apply=lambda params, x, t: params * x * t[:, None])
    exec(snippets("JAX")[0], {"model": model, "all_params": [1.0, 3.0]})
    found = np.load("ensemble.npz")
    np.testing.assert_allclose(found["score"][1], 3 * at["x"] * at["t"][:, None], rtol=1e-5, atol=1e-6)


def test_other_times(folder):
    at = probes(3)
    # The best denoiser of data at 0 with variance 1, as EDM asks for it.
    member = lambda x, sigma: x / (1 + sigma[:, None] ** 2)  # noqa: E731
    space = {"np": np, "probes": at, "x": at["x"], "member": member}
    exec(snippets("Other times: σ, log-SNR")[0], space)
    alpha, sigma = at["alpha"][:, None], at["sigma"][:, None]
    np.testing.assert_allclose(space["edm"], alpha * at["x"] / (alpha**2 + sigma**2), rtol=1e-12)
    np.testing.assert_allclose(np.exp(-space["log_snr"]), (sigma / alpha)[:, 0] ** 2, rtol=1e-12)


def test_onnx_files_as_functions(folder):
    pytest.importorskip("onnxruntime")
    path = REPOSITORY / "crates" / "gtv-models" / "tests" / "onnx" / "mlp.onnx"
    # Another network: cosines in the place of sines.
    (folder / "other.onnx").write_bytes(path.read_bytes().replace(b"Sin", b"Cos"))
    space = {"gtv": gtv, "paths": [path, folder / "other.onnx"]}
    exec(snippets("From Python, without files")[1], space)
    outside = space["result"].summary["outside"]
    assert outside["members"] == 2 and outside["anywhere"]
