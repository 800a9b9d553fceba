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


def test_pytorch_in_continuous_time(folder):
    torch = pytest.importorskip("torch")
    at = probes(28 * 28)
    members = [lambda x, t, a=a: a * x * t.view(-1, 1, 1, 1) for a in (0.5, 2.0)]
    space = {"members": members, "draw": lambda member, n: torch.zeros(n, 1, 28, 28).numpy()}
    exec(snippets("PyTorch, continuous time")[0], space)
    found = np.load("ensemble.npz")
    assert found["samples"].shape == (2, 1000, 28 * 28)
    np.testing.assert_allclose(found["noise"][1], 2 * at["x"] * at["t"][:, None], rtol=1e-5, atol=1e-6)


def test_diffusers(folder):
    pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    table, ask = snippets("diffusers: t as an integer step, and a table of ᾱ")
    scheduler = diffusers.DDPMScheduler()
    exec(table, {"scheduler": scheduler})
    schedule = np.load("schedule.npz")
    read = {"schedule": {"kind": "table", "path": str(folder / "schedule.npz"), "t_min": 10.0, "t_max": 1000.0}}
    assert gtv.compare("config.toml", set=read).summary["config"]["schedule"]["t_max"] == 1000.0
    np.testing.assert_allclose(schedule["alpha"] ** 2 + schedule["sigma"] ** 2, 1.0)
    probes(3 * 32 * 32, np.linspace(10.0, 1000.0, 5))
    sizes = {"block_out_channels": (8, 8), "down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    unets = [diffusers.UNet2DModel(sample_size=32, norm_num_groups=4, layers_per_block=1, **sizes) for _ in range(2)]
    import torch

    exec(ask, {"np": np, "torch": torch, "unets": unets})
    found = np.load("ensemble.npz")["noise"]
    assert found.shape == (2, 5, 3 * 32 * 32) and np.isfinite(found).all() and (found[0] != found[1]).any()


def network(torch, dim, width=8):
    """y = B tanh(A [x, t])."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.readout = torch.nn.Linear(dim + 1, width), torch.nn.Linear(width, dim)

        def forward(self, x, t):
            return self.readout(torch.tanh(self.hidden(torch.cat([x, t[:, None]], 1))))

    return Network()


def test_features_of_a_network(folder):
    torch = pytest.importorskip("torch")
    probes(2)
    own = network(torch, 2)
    exec(snippets("Your own features")[0], {"network": own, "noise": np.zeros((3, 20, 2))})
    features = np.load("ensemble.npz")["features"]
    assert features.shape == (2, 20, sum(p.numel() for p in own.parameters()))
    # The readout's bias is a feature that is 1 for its own output and 0 for the other.
    assert all((features[i] == 1 - (i != j)).all(0).any() for i in range(2) for j in range(2))


def test_networks_as_functions(folder):
    torch = pytest.importorskip("torch")
    space = {"gtv": gtv, "torch": torch, "networks": [network(torch, 2) for _ in range(3)]}
    exec(snippets("From Python, without files")[0], space)
    assert space["result"].summary["outside"]["members"] == 3


def test_onnx_files_of_networks(folder):
    torch = pytest.importorskip("torch")
    onnxruntime = pytest.importorskip("onnxruntime")
    (folder / "members").mkdir()
    networks = [network(torch, 2) for _ in range(2)]
    exec(snippets("ONNX files")[0], {"networks": networks, "D": 2})
    x, t = np.float32([[0.1, -0.3], [0.5, 0.2], [1.0, 0.0]]), np.float32([0.1, 0.5, 1.0])
    found = onnxruntime.InferenceSession("members/1.onnx").run(None, {"x": x, "t": t})[0]
    np.testing.assert_allclose(found, networks[1](torch.tensor(x), torch.tensor(t)).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_error_bars_from_one_training_run(folder):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    samples, steps = 256, 100
    square = np.float64([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    x0, t, noise = square[rng.integers(4, size=samples)], rng.uniform(0.01, 1.0, samples), rng.normal(size=(samples, 2))
    x = SCHEDULE.signal(t)[:, None] * x0 + SCHEDULE.noise_std(t)[:, None] * noise
    own, rates = network(torch, 2), np.linspace(0.02, 0.001, steps)
    optimizer = torch.optim.Adam(own.parameters())
    inputs, target = [torch.tensor(a, dtype=torch.float32) for a in (x, t)], torch.tensor(noise, dtype=torch.float32)
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        batch = slice(step % 4 * 64, step % 4 * 64 + 64)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(own(*(a[batch] for a in inputs)), target[batch]).backward()
        optimizer.step()
    space = {"gtv": gtv, "torch": torch, "network": own, "optimizer": optimizer, "rates": rates, "x0": x0, "t": t, "x": x}
    exec(snippets("From Python, without files")[0].split("\nresult")[0], space)
    config = SMALL.replace("samples = 256", f'samples = {samples}\nprediction = "noise"')
    (folder / "config.toml").write_text(config, encoding="utf-8")
    exec(snippets("Error bars from one training run")[0], space)
    law = space["law"]
    cov = law.cov((x[:100], t[:100]))
    assert (np.linalg.eigvalsh(cov) > 0).all()
    # Without the batches' share there is less variance.
    whole = {"network": space["member"](own), "features": space["features"], "filter": {"adam": rates}, "triples": (x0, t, x)}
    alone = gtv.one_run("config.toml", prediction="noise", dtype="float32", **whole).cov((x[:100], t[:100]))
    assert (np.trace(alone, axis1=1, axis2=2) < np.trace(cov, axis1=1, axis2=2)).all()
    assert np.isfinite(space["field"](x[:100], t[:100])).all()
