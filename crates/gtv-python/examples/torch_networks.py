# %% [markdown]
# # Networks in PyTorch
#
# Five small networks are trained here in PyTorch on denoising score matching. gtv sees them as functions f(x, t); the theory predicts
# from their own tangent features, ∂y/∂θ at initialisation, by `torch.func`. A U-Net goes in the same way: only `Network` differs.

# %%
import os

import numpy as np

try:
    import torch
    from torch.func import functional_call, grad, vmap
except ImportError:
    print("PyTorch is not installed: pip install torch")
    raise SystemExit(0)

import gtv

small = bool(os.environ.get("GTV_SMALL"))
data = np.array([-1.0, 0.0, 1.0])
schedule = gtv.Schedule.vp_linear(t_min=0.01)
width, samples, steps = (64, 256, 300) if small else (128, 1024, 4000)
torch.set_default_dtype(torch.float64)


# %% [markdown]
# One hidden layer in the NTK parameterisation, of z: x, and the log-SNR on the scale of one. It predicts the noise.

# %%
class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(2, width)
        self.readout = torch.nn.Linear(width, 1, bias=False)
        for p in self.parameters():
            torch.nn.init.normal_(p)

    def forward(self, z):
        return self.readout(torch.tanh(self.hidden(z))) / width**0.5


def inputs(x, t):
    return torch.from_numpy(np.concatenate([x, schedule.log_snr(t)[:, None] / 4], axis=1))


torch.manual_seed(0)
start = Network()

# %% [markdown]
# The tangent features: the gradient of y to every parameter, one row a point.

# %%
theta = {name: p.detach() for name, p in start.named_parameters()}
gradient = vmap(grad(lambda theta, z: functional_call(start, theta, (z[None],))[0, 0]), (None, 0))


def features(x, t):
    return torch.cat([g.flatten(1) for g in gradient(theta, inputs(x, t)).values()], 1).numpy()


# %% [markdown]
# Full-batch gradient descent from that start, each network on a training set of its own. The function at initialisation is
# subtracted, so that training starts from 0.

# %%
def training_set(seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(schedule.t_min, schedule.t_max, samples)
    x0, noise = rng.choice(data, (samples, 1)), rng.normal(size=(samples, 1))
    return schedule.signal(t)[:, None] * x0 + schedule.noise_std(t)[:, None] * noise, t, noise


phi = features(*training_set(0)[:2])
rate = 1 / np.linalg.eigvalsh(phi.T @ phi / samples)[-1]


def train(seed):
    x, t, noise = training_set(seed)
    z, noise = inputs(x, t), torch.from_numpy(noise)
    network = Network()
    network.load_state_dict(start.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    with torch.no_grad():
        offset = start(z)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (network(z) - offset - noise).square().mean()).backward()
        optimizer.step()

    def member(x, t):
        with torch.no_grad():
            z = inputs(x, t)
            return network(z) - start(z)

    return member


networks = [train(seed) for seed in range(1, 6)]

# %% [markdown]
# The comparison. A ridge stands for the time of training: gradient descent in so many steps learns about what a ridge of 1/(rate · steps)
# leaves.

# %%
coarse = {"times": 24, "noise_spacing": 0.25} if small else {}
config = {
    "model": {"prediction": "noise", "samples": samples, "ridge": float(1 / (rate * steps))},
    "sampling": {"paths": 200 if small else 5_000},
    "theory": {"closures": ["leading"], "models": 5 if small else 50, "paths": 200 if small else 5_000, **coarse},
    "compare": {"bootstrap": 20 if small else 200},
}
result = gtv.compare(config, data=data, ensemble=networks, prediction="noise", features=features)
print(result)

# %% [markdown]
# Held-out points under each network, under the law that is their average, and under the exact score of the data.

# %%
x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
found = gtv.log_likelihood(networks, x, schedule, prediction="noise")
exact = gtv.log_likelihood(gtv.exact_field(data, schedule), x)
for name, nats in [("networks", found.nats.mean(0)), ("their average", found.average), ("exact", exact.nats)]:
    print(f"{name:>14}: " + " ".join(f"{v:8.3f}" for v in nats))

# %%
result
