"""A thing in the street: what it is, where, and how it looks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A thing at (x, z) metres; `seed` fixes its looks, `facing` is 1 (rightwards) or -1, `stride` its step phase."""

    kind: str
    x: float
    z: float
    seed: int
    track: int
    facing: int = 1
    stride: float = 0.3
