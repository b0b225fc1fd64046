"""The shape of an answer: which keys a map has, and of which types its values are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NUMBER = (int, float)


def shape_faults(value: Any, shape: Any, where: str = "") -> list[str]:
    """Where a value differs from a shape.

    A shape is a type or a tuple of types, {key: shape} for a map with exactly these keys, [shape]
    for a list of such, or any other value for itself.
    """
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            keys = sorted(value) if isinstance(value, dict) else value
            return [f"{where}: {keys} instead of {sorted(shape)}"]
        return faults_of((value[key], shape[key], f"{where}.{key}") for key in shape)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return faults_of((entry, shape[0], f"{where}[]") for entry in value)
    if isinstance(shape, (type, tuple)):
        is_bool = isinstance(value, bool) and shape is not bool
        fits = isinstance(value, shape) and not is_bool
        return [] if fits else [f"{where}: {value!r} is no {shape}"]
    return [] if value == shape else [f"{where}: {value!r} is not {shape!r}"]


def faults_of(parts: Iterable[tuple[Any, Any, str]]) -> list[str]:
    return [fault for part in parts for fault in shape_faults(*part)]
