"""Progress in the manner of tqdm."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias


class Bar(Protocol):
    """An open progress bar."""

    def update(self, n: int, /) -> Any:
        """Counts n more units as done."""

    def close(self) -> Any:
        """Ends the bar."""


class OpensBar(Protocol):
    """What opens a bar for each stage of work, such as ``tqdm.tqdm``."""

    def __call__(self, *, total: int, desc: str) -> Bar: ...


Progress: TypeAlias = OpensBar | bool | None
"""``tqdm.tqdm`` or what looks like it; True for tqdm's own bar, where tqdm is installed."""


def opener(progress: Progress) -> OpensBar | None:
    """What opens bars."""
    if progress is None or progress is False:
        return None
    if progress is True:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise ValueError("progress is True, but tqdm is not installed; pip install tqdm, or pass a function") from error

        def bar(*, total: int, desc: str) -> Bar:
            opened: Bar = tqdm(total=total, desc=desc)
            return opened

        return bar
    if not callable(progress):
        raise TypeError(f"progress is {type(progress).__name__}; expected a function like tqdm.tqdm, a bool or None")
    return progress
