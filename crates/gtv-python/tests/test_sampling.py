"""Sampling of functions of Python and of drawn fields; the V-kernel; progress, Ctrl-C, types."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gtv

FOLDER = Path(__file__).parent

SCHEDULE = gtv.Schedule.vp_linear()
DATA = np.array([[-1.0], [0.0], [1.0]])


class Counted:
    """A score that counts its calls and the points in them."""

    def __init__(self, function):
        self.function, self.calls, self.points = function, 0, 0

    def __call__(self, x, t):
        self.calls += 1
        self.points += len(x)
        return self.function(x, t)


def exact(x, t):
    return gtv.exact_score(DATA, x, t, SCHEDULE).score


def test_a_gaussian_arrives_as_a_gaussian():
    # Data N(0.3, 0.5²): s = −(x − α 0.3)/(α² 0.25 + σ²), and the flow carries N to N.
    def score(x, t):
        alpha, var = SCHEDULE.signal(t)[:, None], SCHEDULE.noise_var(t)[:, None]
        return -(x - alpha * 0.3) / (alpha**2 * 0.25 + var)

    n = 20_000
    for settings in [{"integrator": "rk4", "steps": 60}, {"method": "sde", "steps": 500, "form": "denoiser"}]:
        x = gtv.sample(score, n, SCHEDULE, dim=1, mean=[0.3], seed=2, **settings)[:, 0]
        # Smoothed to p(x | ε), within five standard errors and the integrators' error.
        alpha, var = SCHEDULE.signal(0.01), SCHEDULE.noise_var(0.01)
        std = np.sqrt(0.25 * alpha**2 + var)
        assert abs(x.mean() - 0.3 * alpha) < 5 * std / np.sqrt(n) + 2e-3
        assert abs(x.std() - std) < 5 * std / np.sqrt(2 * n) + 4e-3


def test_functions_are_called_with_large_batches():
    score = Counted(exact)
    x = gtv.sample(score, 60_000, SCHEDULE, dim=1, seed=1)
    assert x.shape == (60_000, 1)
    # One call a step for all paths.
    assert score.calls == 30 and score.points == 30 * 60_000
    few = gtv.sample(exact, 100, SCHEDULE, dim=1, seed=1)
    np.testing.assert_array_equal(few, x[:100])
    for prediction in ["denoiser", "noise"]:
        def other(x, t):
            alpha, std = SCHEDULE.signal(t)[:, None], SCHEDULE.noise_std(t)[:, None]
            score = exact(x, t)
            return -std * score if prediction == "noise" else (x + std**2 * score) / alpha

        again = gtv.sample(other, 100, SCHEDULE, dim=1, seed=1, prediction=prediction)
        np.testing.assert_allclose(again, few, rtol=1e-6, atol=1e-8)


def test_what_a_function_raises_arrives_as_it_is():
    class Own(Exception):
        pass

    def raises(x, t):
        raise Own("out of memory")

    with pytest.raises(Own, match="out of memory"):
        gtv.sample(raises, 100, SCHEDULE, dim=1)
    cases = [
        (ValueError, "shape \\(100, 2\\)", lambda x, t: np.zeros((len(x), 2))),
        (TypeError, "the answer of score holds <U1", lambda x, t: np.full(x.shape, "a")),
        (RuntimeError, "no path arrived", lambda x, t: np.full(x.shape, np.nan)),
    ]
    for kind, text, function in cases:
        with pytest.raises(kind, match=text):
            gtv.sample(function, 100, SCHEDULE, dim=1)
    with pytest.raises(ValueError, match="dopri5"):
        gtv.sample(exact, 10, SCHEDULE, dim=1, integrator="dopri5")
    with pytest.raises(ValueError, match="sampling.steps"):
        gtv.sample(exact, 10, SCHEDULE, dim=1, steps=0)
    seen = []
    gtv.sample(lambda x, t: seen.append(x.dtype) or 0 * x, 10, SCHEDULE, dim=1, dtype="float32")
    assert set(seen) == {np.dtype(np.float32)}


def test_the_v_kernel_is_the_covariance_of_its_draws():
    v = gtv.v_kernel({"model": {"samples": 4096}}, "leading")
    x, t = np.array([[-0.5], [0.5], [0.2]]), np.array([0.1, 0.2, 0.4])
    cov = v.cov((x, t))
    draws = np.array([v.sample_field(i)(x, t)[:, 0] for i in range(400)])
    # Variances of 400 Gaussian draws have the relative standard error √(2/400) = 0.07; four of them.
    np.testing.assert_allclose(draws.var(0, ddof=1) / cov[:, 0, 0], 1, atol=0.28)
    error = np.sqrt(cov[:, 0, 0] / 400)
    assert (np.abs(draws.mean(0) - v.mean(x, t)[:, 0]) < 4 * error).all()
    d = SCHEDULE.diffusion(t)
    np.testing.assert_allclose(v.v((x, t)), (d * d)[:, None, None] * cov, rtol=1e-12)
    other = (x[::-1], t[::-1])
    np.testing.assert_allclose(v.cov(other, (x, t)), v.cov((x, t), other).transpose(0, 2, 1), rtol=1e-9)
    field = v.sample_field(3)
    assert gtv.sample(field, 50, seed=2).shape == (50, 1) and v.sample_field(3)([0.1], 0.1) == field([0.1], 0.1)
    with pytest.raises(ValueError, match="finite-p"):
        gtv.v_kernel(None, "finite")
    with pytest.raises(ValueError, match="model.sample"):
        gtv.v_kernel({"model": {"sample": 3}})
    with pytest.raises(FileNotFoundError, match="nowhere.toml"):
        gtv.v_kernel("nowhere.toml")


def test_progress_is_told_in_the_manner_of_tqdm():
    class Bar:
        bars = []

        def __init__(self, *, total, desc):
            self.total, self.desc, self.done, self.closed = total, desc, 0, False
            Bar.bars.append(self)

        def update(self, n):
            self.done += n

        def close(self):
            self.closed = True

    gtv.sample(exact, 5_000, SCHEDULE, dim=1, progress=Bar)
    (bar,) = Bar.bars
    assert (bar.desc, bar.total, bar.done, bar.closed) == ("sampling", 5_000, 5_000, True)
    from tqdm import tqdm

    gtv.exact_score(DATA, [0.0], 0.1, SCHEDULE, progress=tqdm)

    def broken(**_):
        raise ZeroDivisionError("in the bar")

    with pytest.raises(ZeroDivisionError):
        gtv.sample(exact, 100, SCHEDULE, dim=1, progress=broken)


def test_ctrl_c_is_heard_within_a_second():
    def slow(x, t):
        time.sleep(0.05)
        return 0 * x

    # A shell's background job inherits SIGINT as ignored, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        gtv.sample(slow, 10, SCHEDULE, dim=1, steps=1_000)
    assert time.monotonic() - started < 10
    timer.join()
    signal.signal(signal.SIGINT, before)


def test_other_threads_of_python_run_meanwhile():
    data, x = np.random.default_rng(0).normal(size=(20_000, 8)), np.zeros((4_000, 8))
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(1)
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    gtv.exact_score(data, x, 0.5, SCHEDULE)
    done.set()
    thread.join()
    assert len(ticks) > 1


def test_types_and_examples_hold():
    at = {**os.environ, "MYPYPATH": str(FOLDER)}
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "-p", "gtv", "-m", "typed_use"]
    checked = subprocess.run(mypy, env=at, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    import doctest

    for module in [gtv._schedule, gtv._score, gtv._sampling, gtv._likelihood, gtv._kernel, gtv._compare, gtv._one_run]:
        assert doctest.testmod(module).failed == 0


def test_a_typed_script_runs_and_pyright_agrees():
    subprocess.run([sys.executable, "-W", "ignore", str(FOLDER / "typed_use.py")], check=True)
    pyright = pytest.importorskip("pyright", reason="pip install pyright")
    for given in [[str(FOLDER / "typed_use.py")], ["--verifytypes", "gtv", "--ignoreexternal"]]:
        checked = pyright.run(*given, "--pythonpath", sys.executable, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
