"""The main job from Python: gtv's own models, functions, samples, arrays, features, and what goes wrong."""

import json
import time

import numpy as np
import pytest

import gtv

SMALL = {
    "model": {"samples": 1024},
    "ensemble": {"members": 8},
    "sampling": {"paths": 400},
    "theory": {"models": 8, "paths": 400, "closures": ["leading"]},
    "compare": {"bootstrap": 20, "bins": 50},
}
MEMBERS = 6


@pytest.fixture(scope="module")
def own():
    return gtv.compare(SMALL, seed=1)


@pytest.fixture(scope="module")
def fields():
    """Models that are known everywhere: draws of the theory's law."""
    kernel = gtv.v_kernel(SMALL, "leading")
    return [kernel.sample_field(i) for i in range(MEMBERS)]


class Counted:
    def __init__(self, field):
        self.field, self.calls, self.points = field, 0, 0

    def __call__(self, x, t):
        self.calls += 1
        self.points += len(x)
        return self.field(x, t)


def test_a_result_has_everything(own, tmp_path):
    assert own.summary["seed"] == 1 and own.summary["config"]["ensemble"]["members"] == 8
    w1 = own.summary["distances"]["data"]["ensemble"]["w1"]
    assert w1["lo"] <= w1["value"] <= w1["hi"]
    ensemble = own.samples["ensemble"]
    assert len(ensemble) == 8 and ensemble[0].shape == (400, 1)
    assert gtv.w1(np.concatenate(own.samples["data"]), np.concatenate(ensemble)) == pytest.approx(w1["value"], rel=1e-9)
    assert own.arrays["ensemble_density"].shape == (50,)
    table = own.to_dataframe().set_index(["a", "b", "metric"])
    assert table.loc[("data", "ensemble", "w1"), "value"] == w1["value"]
    assert "ensemble" in str(own) and own.answer
    page = own._repr_html_()
    assert page.startswith("<iframe") and "</iframe>" in page
    folder = own.save(tmp_path / "run")
    for name in ["report.html", "summary.json", "arrays.npz", "config.toml"]:
        assert (folder / name).stat().st_size > 0
    assert json.loads((folder / "summary.json").read_text())["distances"] == own.summary["distances"]
    # The config that it has written gives the same numbers.
    again = gtv.compare(folder / "config.toml")
    assert again.summary["distances"] == own.summary["distances"]
    with pytest.raises(ValueError, match="not from a gtv run"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "thesis.tex").write_text("x")
        own.save(tmp_path / "other")


def test_show_prints_the_answer_and_writes_the_report(own, tmp_path, capsys, monkeypatch):
    for name in ["DISPLAY", "WAYLAND_DISPLAY"]:
        monkeypatch.delenv(name, raising=False)
    own.show(tmp_path / "run")
    printed = capsys.readouterr().out
    assert "report.html" in printed and "leading" in printed and (tmp_path / "run" / "report.html").exists()


def test_functions_are_compared_like_models_with_few_calls(fields):
    counted = [Counted(field) for field in fields]
    result = gtv.compare(SMALL, ensemble=counted)
    numbers = result.summary["kernel"]["leading"]
    # Six draws of the law itself. A variance of six has the relative standard error (2/5)^½ at a point; over ρ it averages out to
    # less, so four of these bound it.
    assert abs(numbers["variance_ratio"] - 1) < 4 * np.sqrt(2 / (MEMBERS - 1))
    assert len(result.samples["ensemble"]) == MEMBERS
    # One call a step for all paths of a level: of the models with the ensemble's own moments, of a member's own, and of those whose
    # density is followed in time; and one for each set of points at which members are compared.
    steps = result.summary["config"]["sampling"]["steps"]
    for one in counted:
        assert one.calls <= 3 * (steps + 1) + 30 and one.points / one.calls > 1000
    # The same members as arrays: predictions at the probes, and the samples.
    x, t = result.arrays["probe_x"], result.arrays["probe_t"]
    brought = {
        "x": x,
        "t": t,
        "score": np.array([field(x, t) for field in fields]),
        "samples": np.array(result.samples["ensemble"]),
    }
    table = gtv.compare(SMALL, ensemble=brought)
    for name, value in table.summary["kernel"]["leading"].items():
        assert value == pytest.approx(numbers[name], rel=1e-9)
    ours, theirs = (r.summary["distances"]["pf_ode"]["ensemble"] for r in (table, result))
    for metric in ours:
        assert ours[metric]["value"] == pytest.approx(theirs[metric]["value"], rel=1e-9)
    assert table.summary["outside"]["missing"]
    alone = gtv.compare(SMALL, ensemble=result.samples["ensemble"])
    assert alone.summary["distances"]["pf_ode"]["ensemble"]["w1"]["value"] == pytest.approx(theirs["w1"]["value"], rel=1e-9)


def test_the_folder_of_a_run_is_an_ensemble(tmp_path):
    """Members as `gtv-cli train` writes them: safetensors of the readout, (D, F)."""
    kernel_config = {**SMALL, "model": {"samples": 1024, "features": {"kind": "gaussian", "x": 6, "t": 6}}}
    folder = tmp_path / "run" / "members"
    folder.mkdir(parents=True)
    weights = np.random.default_rng(0).normal(size=(8, 1, 36))
    for i, member in enumerate(weights):
        described = {"readout.weight": {"dtype": "F64", "shape": [1, 36], "data_offsets": [0, 288]}}
        header = json.dumps(described).encode()
        header += b" " * (-len(header) % 8)
        (folder / f"member-{i:05}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + member.tobytes())

    def normal(z, lo, hi):
        spacing = (hi - lo) / 5
        width = 0.5 * spacing
        return np.exp(-0.5 * ((z[:, None] - lo - spacing * np.arange(6)) / width) ** 2) / (np.sqrt(2 * np.pi) * width)

    def member(w):
        def denoiser(x, t):
            phi = normal(x[:, 0], -1.5, 1.5)[:, :, None] * normal(t, 0.01, 1.0)[:, None, :]
            return phi.reshape(len(x), -1) @ w.T

        return denoiser

    of_folder = gtv.compare(kernel_config, ensemble=tmp_path / "run")
    of_functions = gtv.compare(kernel_config, ensemble=[member(w) for w in weights], prediction="denoiser")
    for name, value in of_functions.summary["kernel"]["leading"].items():
        assert of_folder.summary["kernel"]["leading"][name] == pytest.approx(value, rel=1e-9)
    ours, theirs = (r.summary["distances"]["pf_ode"]["ensemble"]["w1"]["value"] for r in (of_folder, of_functions))
    assert ours == pytest.approx(theirs, rel=1e-9)
    with pytest.raises((ValueError, FileNotFoundError), match="member"):
        gtv.compare(kernel_config, ensemble=tmp_path)


def test_features_of_ones_own_are_those_of_the_config(own):
    centres, times = np.linspace(-1.5, 1.5, 16), np.linspace(0.01, 1.0, 16)

    def normal(z, centres):
        width = 0.5 * (centres[1] - centres[0])
        return np.exp(-0.5 * ((z[:, None] - centres) / width) ** 2) / (np.sqrt(2 * np.pi) * width)

    def features(x, t):
        return (normal(x[:, 0], centres)[:, :, None] * normal(t, times)[:, None, :]).reshape(len(x), -1)

    found = gtv.compare(SMALL, features=features, seed=1)
    for name, value in own.summary["kernel"]["leading"].items():
        assert found.summary["kernel"]["leading"][name] == pytest.approx(value, rel=1e-6)


def test_data_of_ones_own(tmp_path):
    data = np.array([-0.5, 0.5])
    result = gtv.compare(SMALL, data=data)
    assert result.summary["data_points"] == 2
    folder = result.save(tmp_path / "run")
    np.testing.assert_array_equal(np.load(folder / "data.npy")[:, 0], data)
    again = gtv.compare(folder / "config.toml")
    assert again.summary["distances"] == result.summary["distances"]


def test_a_function_that_raises_loses_nothing_that_was_sampled(fields):
    class Own(Exception):
        pass

    ended = []

    def counted(i):
        # The last step of a member's own 400 paths; in the level gaussian_empirical eight models are carried side by side.
        last_steps = []

        def call(x, t):
            if len(x) == 400 and t[0] < 0.05:
                last_steps.append(1)
                if len(last_steps) == 1 and i == MEMBERS - 1:
                    deadline = time.monotonic() + 20
                    while len(ended) < 2 and time.monotonic() < deadline:
                        time.sleep(0.05)
                    time.sleep(1.5)
                    raise Own("on the last step")
                if len(last_steps) == 1:
                    ended.append(i)
            return fields[i](x, t)

        return call

    with pytest.raises(Own, match="last step") as raised:
        gtv.compare(SMALL, ensemble=[counted(i) for i in range(MEMBERS)])
    samples = raised.value.samples
    assert set(samples) >= set(ended[:2]) and all(states.shape == (400, 1) for states in samples.values())
    if hasattr(raised.value, "__notes__"):
        assert "ensemble[5](x, t)" in raised.value.__notes__[0]


def test_wrong_input_names_the_array_or_the_key(fields, tmp_path):
    x, t = np.zeros((4, 1)), np.full(4, 0.5)
    y = np.zeros((3, 4, 1))
    cases = [
        (ValueError, "model.sample", lambda: gtv.compare({"model": {"sample": 3}})),
        (TypeError, "model.samples", lambda: gtv.compare({"model": {"samples": "many"}})),
        (FileNotFoundError, "nowhere.toml", lambda: gtv.compare("nowhere.toml")),
        (FileNotFoundError, "nowhere.npz", lambda: gtv.compare({**SMALL, "ensemble": {}}, ensemble="nowhere.npz")),
        (TypeError, "config is int", lambda: gtv.compare(3)),
        (ValueError, "`x`", lambda: gtv.compare(SMALL, ensemble={"x": x[:, [0, 0]], "t": t, "score": y})),
        (ValueError, "`t`", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": 2 * t + 1, "score": y})),
        (ValueError, "`score`", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "score": y * np.nan})),
        (ValueError, "members", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "score": y, "samples": np.zeros((2, 9, 1))})),
        (ValueError, "`scores`", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "scores": y})),
        (ValueError, "ensemble\\[1\\] has shape", lambda: gtv.compare(SMALL, ensemble=[fields[0], lambda x, t: x[:-1]])),
        (ValueError, "member 1: it answered NaN at x = ", lambda: gtv.compare(SMALL, ensemble=[fields[0], lambda x, t: x * np.nan])),
        (ValueError, "ensemble is empty", lambda: gtv.compare(SMALL, ensemble=[])),
        (ValueError, "all alike", lambda: gtv.compare(SMALL, ensemble=[fields[0]] * 3)),
        (ValueError, "t holds 2.0", lambda: fields[0]([0.1], 2.0)),
        (ValueError, "sampling.integrator", lambda: gtv.compare({**SMALL, "sampling": {"integrator": "dopri5"}}, ensemble=fields)),
        (TypeError, "the answer of ensemble\\[0\\] holds", lambda: gtv.compare(SMALL, ensemble=[lambda x, t: x.astype(complex)] * 2)),
        (ValueError, "`features`", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "score": y, "features": np.ones((3, 2))})),
        (ValueError, "nodes of the training distribution", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "score": y, "gram": np.eye(4)})),
        (ValueError, "`gram`", lambda: gtv.compare(SMALL, ensemble={"x": x, "t": t, "score": y, "gram": np.eye(4)[:, ::-1] - 2})),
        (ValueError, "the answer of features", lambda: gtv.compare(SMALL, features=lambda x, t: t)),
        (ValueError, "--features|build", lambda: gtv.compare({"model": {"kind": "mlp"}})),
    ]
    for kind, text, call in cases:
        with pytest.raises(kind, match=text):
            call()
