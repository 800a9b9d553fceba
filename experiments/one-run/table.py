"""The tables of the README, from the folders of finished comparisons: python3 table.py NAME=DIR ..."""

import json
import sys


def short(values, digits=2):
    return " ".join(f"{v:.{digits}f}" if v is not None else "–" for v in values)


for argument in sys.argv[1:]:
    name, folder = argument.split("=")
    with open(f"{folder}/summary.json") as file:
        record = json.load(file)
    run, levels = record["one_run"], record["levels"]
    found = run["fidelity"]
    print(f"{name}: load {run['load']:.3f}, directions {run['directions']}, missed {run['missed']:.1e}, the ensemble's variance to {found.get('error') or float('nan'):.3f}")
    for key in ("variance_ratio", "log_correlation", "cosine"):
        single = short(one[key] for one in found["single"])
        others = [found["averaged"][key], (found.get("gap") or {}).get(key), found["halves"][key], found["constant"][key]]
        print(f"  {key}: single {single}; averaged, gap, halves, constant {short(others)}")
    for level in ("theory_one-run", "theory_one-run-gap", "ensemble"):
        spread = levels.get(level, {}).get("spread")
        if spread:
            masses = short([*spread.get("mass_near", []), spread.get("gap_mass")], 3)
            print(f"  {level}: masses and gaps {masses}; from the average {spread['from_average']:.3f}")
    if run.get("gap"):
        print("  gap", {k: v for k, v in run["gap"].items()}, "data", run["data"])
