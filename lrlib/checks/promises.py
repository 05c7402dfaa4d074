"""Trying promises one after another: the first that is broken is an error, what cannot be tried is told."""

from collections.abc import Callable, Mapping
from typing import NoReturn


def tried(promises: Mapping[str, Callable[..., str | None]], *given: object) -> dict[str, str]:
    """Each promise with ``"kept"``, or with ``"not tried: "`` and why; one that is broken raises its own error."""
    found = {name: promise(*given) for name, promise in promises.items()}
    return {name: "kept" if why is None else f"not tried: {why}" for name, why in found.items()}


def broken(name: str, given: object, need: str, was: str) -> NoReturn:
    """The error for a promise that is broken: what was given, what it must do, and what it did."""
    raise ValueError(f"{name} must be one that {need}, but got {given!r}: {was}")
