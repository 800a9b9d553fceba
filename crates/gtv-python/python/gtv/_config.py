"""Configs as dicts: the same keys as in a config file, nested or dotted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

Config: TypeAlias = Mapping[str, Any] | str | os.PathLike[str] | None
"""A dict of settings, the path of a config file (TOML), or None for the main job of gtv-cli."""


def _json(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value of a config; expected numbers, strings, lists and dicts of them")


def _flat(settings: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in settings.items():
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is no key of a config; expected a string")
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            flat.extend(_flat(value, f"{key}."))
        elif value is not None:
            flat.append((key, value))
    return flat


def encoded(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Settings as dotted keys in JSON, those that are None left out."""
    return json.dumps(_flat(settings, prefix), default=_json)


def located(config: Config) -> tuple[str | None, Mapping[str, Any]]:
    """The config's file, where it is one, and its settings."""
    if config is None:
        return None, {}
    if isinstance(config, Mapping):
        return None, config
    if isinstance(config, (str, os.PathLike)):
        return os.fspath(config), {}
    raise TypeError(f"config is {type(config).__name__}; expected a dict, the path of a config file, or None")
