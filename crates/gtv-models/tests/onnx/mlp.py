"""Writes mlp.onnx, a network in float32, and mlp.npz, what it answers at some points by NumPy in float64. Needs the package onnx."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DIM, FREQUENCIES, WIDTH = 2, 4, 32
FOLDER = Path(__file__).parent
rng = np.random.default_rng(13)

sizes = [DIM + 2 * FREQUENCIES, WIDTH, WIDTH, DIM]
layers = [
    (rng.normal(size=(n, m)).astype("f4") / np.sqrt(np.float32(m)), 0.1 * rng.normal(size=n).astype("f4"))
    for m, n in zip(sizes, sizes[1:])
]
frequencies = (2.0 ** np.arange(FREQUENCIES)).astype("f4")

# z = [x, sin(f t), cos(f t)]; h = silu(W h + b) twice; y = W h + b.
constants = {"last": np.array([1]), "frequencies": frequencies}
nodes = [
    helper.make_node("Unsqueeze", ["t", "last"], ["column"]),
    helper.make_node("Mul", ["column", "frequencies"], ["phase"]),
    helper.make_node("Sin", ["phase"], ["sin"]),
    helper.make_node("Cos", ["phase"], ["cos"]),
    helper.make_node("Concat", ["x", "sin", "cos"], ["h0"], axis=1),
]
for i, (weight, bias) in enumerate(layers):
    constants |= {f"weight{i}": weight, f"bias{i}": bias}
    last = i == len(layers) - 1
    made = "y" if last else f"z{i}"
    nodes.append(helper.make_node("Gemm", [f"h{i}", f"weight{i}", f"bias{i}"], [made], transB=1))
    if not last:
        nodes += [helper.make_node("Sigmoid", [made], [f"gate{i}"]), helper.make_node("Mul", [made, f"gate{i}"], [f"h{i + 1}"])]
value = helper.make_tensor_value_info
graph = helper.make_graph(
    nodes,
    "mlp",
    [value("x", TensorProto.FLOAT, ["n", DIM]), value("t", TensorProto.FLOAT, ["n"])],
    [value("y", TensorProto.FLOAT, ["n", DIM])],
    [numpy_helper.from_array(array, name) for name, array in constants.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, FOLDER / "mlp.onnx")

x, t = rng.normal(size=(37, DIM)).astype("f4"), rng.uniform(0.01, 1.0, 37).astype("f4")
phase = t[:, None].astype("f8") * frequencies
h = np.concatenate([x, np.sin(phase), np.cos(phase)], axis=1)
# The sizes of all terms, for the bound on what float32 rounds: a unit of 2⁻²⁴ for each of a layer's terms and its function.
size, unit = np.abs(h), np.float64(2.0**-24)
error = (4 + 2.0 ** np.arange(FREQUENCIES)).max() * unit * size
for i, (weight, bias) in enumerate(layers):
    weight, bias = weight.astype("f8"), bias.astype("f8")
    fan_in = weight.shape[1]
    size = np.abs(h) @ np.abs(weight).T + np.abs(bias)
    error = error @ np.abs(weight).T + (fan_in + 1) * unit * size
    h = h @ weight.T + bias
    if i < len(layers) - 1:
        # |silu'| < 1.1; sigmoid and product round a few units more.
        h, error = h / (1 + np.exp(-h)), 1.1 * error + 8 * unit * np.abs(h)
np.savez(FOLDER / "mlp.npz", x=x.astype("f8"), t=t.astype("f8"), y=h, error=error)
