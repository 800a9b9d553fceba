"""Beside `exact_score_timing`: NumPy's and PyTorch's plain score in f32, and the nearest two alone by FAISS' flat index
and scikit-learn's BallTree.

    python neighbours.py images.npz 0.1,0.5,1,2,4      (array `images`, uint8, scaled to [-1, 1])
    python neighbours.py power-law:60000:784 0.5,2     (clustered points, made as the example makes them)

Queries are points plus sigma times noise, 1,024 of them; the smallest of the times is printed, in seconds of processor
time. PyTorch and FAISS are left out where they are not installed.
"""
import sys
import time

import numpy as np
from sklearn.neighbors import BallTree

try:
    import torch
except ImportError:
    torch = None
try:
    import faiss
except ImportError:
    faiss = None


def shortest(work, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def score(x, points, half, sigma):
    logits = x @ points.T
    logits -= half
    logits /= sigma**2
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return (logits @ points - x) / sigma**2


def torch_score(x, points, half, sigma):
    weights = torch.softmax((x @ points.T - half) / sigma**2, dim=1)
    return (weights @ points - x) / sigma**2


def power_law(count, dim, rng):
    """A hundred clusters, standard deviations 5/k^0.8 along the axes, a third of the variance within clusters."""
    scale = 5 / np.arange(1, dim + 1) ** 0.8
    centres = rng.normal(size=(100, dim)) * scale * np.sqrt(2 / 3)
    return centres[np.arange(count) % 100] + rng.normal(size=(count, dim)) * scale / np.sqrt(3)


rng = np.random.default_rng(1)
if sys.argv[1].startswith("power-law:"):
    points = power_law(*map(int, sys.argv[1].split(":")[1:]), rng)
else:
    images = np.load(sys.argv[1])["images"]
    points = images.reshape(len(images), -1) / 127.5 - 1
start = time.process_time()
tree = BallTree(points)
print(f"# tree built in {time.process_time() - start:.2f} s", file=sys.stderr)
single = points.astype(np.float32)
half = (single**2).sum(1) / 2
flat = None
if faiss:
    flat = faiss.IndexFlatL2(single.shape[1])
    flat.add(single)
print("sigma,numpy_f32_s,torch_f32_s,faiss_nearest_two_s,balltree_nearest_two_s")
for sigma in map(float, sys.argv[2].split(",")):
    x = points[rng.integers(len(points), size=1024)] + sigma * rng.normal(size=(1024, points.shape[1]))
    x32 = x.astype(np.float32)
    times = [shortest(lambda: score(x32, single, half, np.float32(sigma))), None, None]
    if torch:
        args = [torch.from_numpy(v) for v in (x32, single, half)]
        times[1] = shortest(lambda: torch_score(*args, sigma))
    if flat:
        times[2] = shortest(lambda: flat.search(x32, 2))
    times.append(shortest(lambda: tree.query(x, k=2), repeats=1))
    print(f"{sigma}," + ",".join("" if v is None else f"{v:.3f}" for v in times), flush=True)
