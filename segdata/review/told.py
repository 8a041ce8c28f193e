"""Told: what a source of decisions has, and how much of it is new to a dataset's log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """What an origin of decisions has: how many, how many of these the log did not have, and notes, a line each."""

    origin: str
    n_decisions: int
    n_new: int
    notes: tuple[str, ...] = ()
