# %% [markdown]
# # Networks of your own
#
# Five small networks are trained here, in plain NumPy, on denoising score matching; gtv sees them only as functions f(x, t). Their
# tangent features at initialisation are given to the theory, which then says what it expects of linear models in these features. A
# network in PyTorch or JAX goes in the same way: a function that takes arrays and returns one.

# %%
import os

import numpy as np

import gtv

small = bool(os.environ.get("GTV_SMALL"))
data = np.array([-1.0, 0.0, 1.0])
schedule = gtv.Schedule.vp_linear(t_min=0.01)
width, samples, steps = (64, 256, 200) if small else (256, 1024, 2000)


def inputs(x, t):
    """x, and the log-SNR on the scale of one."""
    return np.concatenate([x, schedule.log_snr(t)[:, None] / 4], axis=1)


# %% [markdown]
# One hidden layer, in the NTK parameterisation, with its derivatives by hand: y = v·tanh(W z + b)/√width predicts the noise.

# %%
def initial(rng):
    return {"W": rng.normal(size=(2, width)), "b": rng.normal(size=width), "v": rng.normal(size=width)}


def predict(p, x, t):
    return np.tanh(inputs(x, t) @ p["W"] + p["b"]) @ p["v"][:, None] / np.sqrt(width)


def tangent(p, x, t):
    """∂y/∂θ, (n, parameters): the features of the network's linearisation."""
    z = inputs(x, t)
    hidden = np.tanh(z @ p["W"] + p["b"])
    back = p["v"] * (1 - hidden**2) / np.sqrt(width)
    return np.concatenate([back * z[:, :1], back * z[:, 1:], back, hidden / np.sqrt(width)], axis=1)


def train(seed):
    """Gradient descent on E (y − noise)², from one initialisation and on a training set of its own."""
    rng = np.random.default_rng(seed)
    theta = initial(np.random.default_rng(0))
    start = {name: value.copy() for name, value in theta.items()}
    t = rng.uniform(schedule.t_min, schedule.t_max, samples)
    x0 = rng.choice(data, samples)[:, None]
    alpha, std = schedule.signal(t)[:, None], schedule.noise_std(t)[:, None]
    noise = rng.normal(size=x0.shape)
    x = alpha * x0 + std * noise
    features = tangent(theta, x, t)
    rate = 1 / np.linalg.eigvalsh(features.T @ features / samples)[-1]
    for _ in range(steps):
        # The function at initialisation is subtracted, so that training starts from 0.
        error = (predict(theta, x, t) - predict(start, x, t) - noise) / samples
        gradient = tangent(theta, x, t).T @ error[:, 0]
        for name, part in zip(["W", "b", "v"], np.split(gradient, [2 * width, 3 * width])):
            theta[name] -= rate * part.reshape(theta[name].shape)
    return lambda x, t: predict(theta, x, t) - predict(start, x, t)


networks = [train(seed) for seed in range(1, 6)]

# %% [markdown]
# The comparison: kernel numbers, levels and distances, as for models that gtv trains.

# %%
config = {
    "model": {"prediction": "noise", "samples": samples, "ridge": 0.01},
    "sampling": {"paths": 200 if small else 5_000},
    "theory": {"closures": ["leading"], "models": 5 if small else 50, "paths": 200 if small else 5_000},
    "compare": {"bootstrap": 20 if small else 200},
}
start = initial(np.random.default_rng(0))
result = gtv.compare(
    config,
    data=data,
    ensemble=networks,
    prediction="noise",
    features=lambda x, t: tangent(start, x, t),
)
print(result)

# %%
result
