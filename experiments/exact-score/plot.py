"""time.png from results.csv: python plot.py"""
import csv

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

COLOURS = {"f64": "#0072B2", "f32": "#D55E00"}
LINES = {"digits": ("o-", "10,000 digits"), "power-law": ("s--", "60,000 clustered points")}
rows = list(csv.DictReader(open("results.csv")))
figure, axes = plt.subplots(figsize=(5.8, 3.7))
for data, (line, label) in LINES.items():
    for precision, colour in COLOURS.items():
        points = sorted(
            (float(r["sigma"]), float(r["ratio"])) for r in rows if r["precision"] == precision and r["data"] == data
        )
        if points:
            axes.plot(*zip(*points), line, color=colour, label=f"{label}, {precision}", markersize=4)
axes.axhline(1, color="0.5", linewidth=1)
axes.text(0.016, 1.02, "the two bare matrix products", color="0.4", fontsize=8)
axes.set_xscale("log")
axes.set_ylim(0, 1.2)
axes.set_xlabel("noise sigma (units of the data)")
axes.set_ylabel("time / time of the products")
axes.legend(frameon=False, fontsize=8, loc="lower right")
figure.tight_layout()
figure.savefig("time.png", dpi=150)
