"""Stage: how far a run is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """How far it is.

    Attributes
    ----------
    what : ``train 1 of 3``, ``predict 1 of 3``, ``look``, ``correct``
    done, total : steps or images
    seconds_left : of this stage, as it went so far; NaN: not known yet
    """

    what: str
    done: int
    total: int
    seconds_left: float


def silent(stage: Stage) -> None:
    """Progress that nobody looks at."""
