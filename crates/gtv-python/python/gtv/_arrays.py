"""Arrays that users bring, made into float64 arrays in C order, or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Doubles: TypeAlias = NDArray[np.float64]


@runtime_checkable
class SupportsDLPack(Protocol):
    """What shares its memory by the DLPack protocol, such as an array of JAX or PyTorch."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...


@runtime_checkable
class SupportsArray(Protocol):
    """What can be made an array of NumPy."""

    def __array__(self, dtype: Any = ..., /) -> NDArray[Any]: ...


ArrayLike: TypeAlias = (
    SupportsArray | SupportsDLPack | float | Sequence[float] | Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]]
)
"""NumPy arrays, anything with ``__array__`` or DLPack, and nested sequences of numbers."""

ScoreFunction: TypeAlias = Callable[[Any, Any], Any]
"""``f(x, t)``: x (n, D), t (n,), and the answer (n, D)."""


def plain(name: str, value: Any) -> NDArray[Any]:
    """The value as an array of real numbers, of its own type.

    Tensors that record gradients are detached.
    """
    detach = getattr(value, "detach", None)
    if callable(detach):
        value = detach()
        value = value.cpu() if hasattr(value, "cpu") else value
    if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
        value = np.from_dlpack(value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers, float32 or float64")
    return array


def doubles(name: str, value: Any) -> Doubles:
    """The value as float64 in C order."""
    return np.ascontiguousarray(plain(name, value), dtype=np.float64)


def finite(name: str, values: Doubles) -> None:
    """Refuses a NaN or an infinity."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong) > 0:
        first = wrong[0].tolist()
        raise ValueError(f"{name} holds {values[tuple(first)]} at index {first}: every value must be finite")


class Rows(NamedTuple):
    """Points as rows, and what they came as."""

    values: Doubles
    """(n, D)."""
    flat: bool
    """Whether they came as (n,) or as a number."""
    dtype: Any
    """float32 where they came so, else float64."""

    def like(self, values: Doubles) -> Floats:
        """Values (n, D), (n, ...) in the shape and type in which the points came."""
        shaped = values.reshape(values.shape[0], *values.shape[2:]) if self.flat and values.ndim == 2 else values
        return np.asarray(shaped, dtype=self.dtype)


def rows(name: str, value: Any, dim: int | None = None) -> Rows:
    """Points (n, D), or (n,) in one dimension."""
    array = plain(name, value)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    flat = array.ndim <= 1
    if array.ndim > 2:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, D): reshape each point to a row")
    values = np.ascontiguousarray(array, dtype=np.float64)
    values = values.reshape(-1, 1) if flat else values
    if values.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: it is empty")
    if dim is not None and values.shape[1] != dim:
        raise ValueError(f"{name} has shape {array.shape}; expected (n, {dim}), where {dim} is the dimension of the data")
    finite(name, values)
    return Rows(values, flat, dtype)


def times(name: str, value: Any, count: int) -> Doubles:
    """A time for each of `count` points, from as many or from one."""
    array = doubles(name, value)
    finite(name, array)
    if array.size == 1:
        return np.full(count, array.reshape(()).item())
    if array.shape != (count,):
        raise ValueError(f"{name} has shape {array.shape}; expected a number or ({count},), a time for each point")
    return array


def within(name: str, t: Doubles, low: float, high: float) -> Doubles:
    """Times of a schedule, which have it to the rounding of float32."""
    wrong = np.flatnonzero((t < low * (1 - 1e-6)) | (t > high * (1 + 1e-6)))
    if len(wrong) > 0:
        raise ValueError(f"{name} holds {t[wrong[0]]} at index {wrong[0]}; expected {low} to {high}, the times of the schedule")
    return t


def _called(name: str, call: ScoreFunction, dtype: DTypeLike, x: Doubles, t: Doubles) -> NDArray[Any]:
    kind = np.dtype(dtype)
    try:
        answer = call(x.astype(kind, copy=False), t.astype(kind, copy=False))
    except Exception as error:
        if hasattr(error, "add_note"):
            error.add_note(f"raised by {name}(x, t) with x {x.shape} and t {t.shape}")
        raise
    return plain(f"the answer of {name}", answer)


def _checked_function(name: str, call: object) -> None:
    if not callable(call):
        raise TypeError(f"{name} is {type(call).__name__}; expected a function f(x, t)")


def function(name: str, call: ScoreFunction, dtype: DTypeLike) -> Callable[[Doubles, Doubles], Doubles]:
    """A user's ``f(x, t)`` with its answer (n, D) checked."""
    _checked_function(name, call)

    def checked(x: Doubles, t: Doubles) -> Doubles:
        answer = _called(name, call, dtype, x, t)
        if answer.shape == (len(x),) and x.shape[1] == 1:
            answer = answer.reshape(-1, 1)
        if answer.shape != x.shape:
            raise ValueError(
                f"the answer of {name} has shape {answer.shape} for x {x.shape} and t {t.shape}; expected {x.shape}"
            )
        return np.ascontiguousarray(answer, dtype=np.float64)

    return checked


def features_function(name: str, call: ScoreFunction, dtype: DTypeLike) -> Callable[[Doubles, Doubles], Doubles]:
    """A user's ``phi(x, t)`` with its answer (n, F) checked."""
    return _of_one_width(name, call, dtype, 1, "F")


def tangents_function(name: str, call: ScoreFunction, dtype: DTypeLike) -> Callable[[Doubles, Doubles], Doubles]:
    """A user's ``phi(x, t)`` with its answer (n, D, K) checked, as rows (n, D K)."""
    return _of_one_width(name, call, dtype, 2, "K")


def _of_one_width(
    name: str, call: ScoreFunction, dtype: DTypeLike, axes: int, letter: str
) -> Callable[[Doubles, Doubles], Doubles]:
    """A function that answers with equally many finite numbers, `letter` of them, in every call for each of x's first `axes` axes; as rows."""
    _checked_function(name, call)
    width: list[int] = []

    def checked(x: Doubles, t: Doubles) -> Doubles:
        answer = _called(name, call, dtype, x, t)
        before = x.shape[:axes]
        if answer.shape[:-1] != before or answer.shape[axes:] != tuple(width or answer.shape[axes:]):
            expected = ", ".join([*map(str, before), str(width[0]) if width else letter])
            raise ValueError(
                f"the answer of {name} has shape {answer.shape} for x {x.shape} and t {t.shape}; expected ({expected})"
            )
        width[:] = answer.shape[axes:]
        values = np.ascontiguousarray(answer.reshape(len(x), -1), dtype=np.float64)
        finite(f"the answer of {name}", values)
        return values

    return checked
