# %% [markdown]
# # Real digits
#
# 1,797 handwritten digits of 8 × 8 grey levels. With their exact score a diffusion model gives back its training set, and nothing else;
# models that learn the score from finitely many samples do not.

# %%
import os
from pathlib import Path

import numpy as np

import gtv

small = bool(os.environ.get("GTV_SMALL"))
folder = Path(os.environ.get("GTV_REPOSITORY", Path.cwd().parents[2] if Path.cwd().name == "examples" else Path.cwd()))
images = np.load(folder / "experiments" / "digits" / "digits.npz")["images"].reshape(-1, 64) / 8 - 1
schedule = gtv.Schedule.vp_linear(t_min=0.001)
print(images.shape, images.min(), images.max())

# %% [markdown]
# Where does the posterior decide between data? The share of the proxy score's mean square that is noise, tr C / (tr C + |s|²), of noisy
# digits at several times: none at t → 0, where one datum is certain, and much in between.

# %%
rng = np.random.default_rng(0)
for t in [0.01, 0.05, 0.2, 0.5]:
    some = images[rng.integers(len(images), size=100)]
    x = schedule.signal(t) * some + schedule.noise_std(t) * rng.normal(size=some.shape)
    found = gtv.exact_score(images, x, t, schedule, cov="trace")
    share = found.proxy_score_cov / (found.proxy_score_cov + (found.score**2).sum(1))
    print(f"t = {t:4.2f}: {share.mean():.3f}")

# %% [markdown]
# Samples of the exact score are the data again, up to the noise at t_min: the distance to the nearest of them is σ √64.

# %%
count = 20 if small else 200
x = gtv.sample(
    lambda x, t: gtv.exact_score(images, x, t, schedule).score,
    count,
    schedule,
    dim=64,
    integrator="heun",
    form="denoiser",
    grid="log-snr",
    steps=40,
)
nearest = np.sqrt(((x[:, None] - images[None]) ** 2).sum(-1)).min(1)
print(f"distance to the nearest digit {nearest.mean():.3f}, σ√D = {float(schedule.noise_std(0.001)) * 8:.3f}")

# %% [markdown]
# Linear models in random Fourier features, on the same digits, against the theory of their variance.

# %%
config = {
    "schedule": {"t_min": 0.001},
    "model": {
        "samples": 2_000 if small else 16_000,
        "ridge": 0.001,
        "features": {"kind": "random-fourier", "count": 128 if small else 1024, "length_scale": 12.0, "time_scale": 3.0},
    },
    "ensemble": {"members": 4 if small else 20},
    "sampling": {"integrator": "heun", "form": "denoiser", "grid": "log-snr", "steps": 10 if small else 60, "paths": 50},
    "theory": {"closures": ["leading"], "models": 4 if small else 20, "paths": 50, "quasi_nodes": 8_192 if small else 65_536},
    "compare": {"metrics": ["sliced_w2", "energy"], "bootstrap": 50, "image": [8, 8]},
}
result = gtv.compare(config, data=images)
print(result)

# %%
result
