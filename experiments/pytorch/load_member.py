"""Loads a network that `gtv-cli train --model mlp` has saved into PyTorch, and evaluates its score.

    python load_member.py RUN/members/member-00000.safetensors

Needs torch and safetensors. `network(path)` is the plain torch.nn.Sequential F; `score(path)` puts the inputs, the
preconditioning and the prediction type around it, from the file's metadata alone (schedule vp-linear).
"""

import json
import math
import sys

import torch
from safetensors import safe_open

ACTIVATIONS = {"relu": torch.nn.ReLU, "silu": torch.nn.SiLU, "tanh": torch.nn.Tanh}


class Erf(torch.nn.Module):
    def forward(self, u):
        return torch.erf(u)


def network(path, prefix=""):
    """F as a torch.nn.Sequential; with prefix "initial." the network that is subtracted from it (centred)."""
    with safe_open(path, "pt") as file:
        activation = ACTIVATIONS.get(file.metadata()["activation"], Erf)
        names = {name.removeprefix(prefix) for name in file.keys() if name.startswith(prefix)}
        depth = sum(name.startswith("layers.") and name.endswith(".weight") for name in names)
        layers = []
        for name in [f"layers.{l}" for l in range(depth)] + ["readout"]:
            weight = file.get_tensor(f"{prefix}{name}.weight")
            bias = f"{name}.bias" in names
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
            layer.weight.data = weight
            if bias:
                layer.bias.data = file.get_tensor(f"{prefix}{name}.bias")
            layers += [layer] if name == "readout" else [layer, activation()]
    return torch.nn.Sequential(*layers)


def score(path):
    """x (n, D), t -> the learned score (n, D)."""
    with safe_open(path, "pt") as file:
        about, centred = file.metadata(), any(name.startswith("initial.") for name in file.keys())
    f, start = network(path), network(path, "initial.") if centred else None
    frequencies = torch.tensor(json.loads(about["time_frequencies"]), dtype=torch.float64)
    first, last = json.loads(about["clock"])
    schedule = json.loads(about["schedule"])
    if schedule["kind"] != "vp-linear":
        raise SystemExit(f"this script knows the schedule vp-linear only, the file has {schedule['kind']}")

    def field(x, t):
        x = x.double()
        alpha = math.exp(-(schedule["beta_min"] * t + schedule["beta_d"] * t * t / 2))
        var = -math.expm1(2 * math.log(alpha))
        u = t if about["time"] == "raw" else min(20.0, max(-20.0, math.log(alpha**2 / var)))
        u = torch.tensor(2 * (u - first) / (last - first) - 1, dtype=torch.float64)
        waves = torch.stack([torch.cos(frequencies * u), torch.sin(frequencies * u)], dim=1).flatten()
        time = waves if len(frequencies) else u[None]
        # The denoiser's skip and out; other predictions have y = c x0 + d x and s = a y + b x.
        beta = schedule["beta_min"] + schedule["beta_d"] * t
        a, b = {
            "score": (1.0, 0.0),
            "denoiser": (alpha / var, -1 / var),
            "noise": (-1 / math.sqrt(var), 0.0),
            "velocity": (-1 / beta, -1.0),
        }[about["prediction"]]
        c, d = (1.0, 0.0) if about["prediction"] == "denoiser" else (alpha / var / a, (-1 / var - b) / a)
        c_in, skip, out = 1.0, 0.0, 1.0
        if about["precondition"] == "edm":
            sd = float(about["data_std"])
            v = (alpha * sd) ** 2 + var
            c_in, skip, out = v**-0.5, c * alpha * sd**2 / v + d, c * math.sqrt(var / v) * sd
        inputs = torch.cat([c_in * x, time.expand(len(x), -1)], dim=1).float()
        with torch.no_grad():
            y = f(inputs) - start(inputs) if start else f(inputs)
        return a * (skip * x + out * y.double()) + b * x

    return field


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print(network(sys.argv[1]))
