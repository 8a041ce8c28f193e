"""A short sequence: a fixed camera, things that move, leave, hide and come back under the same track."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segdata.sample.actor import Actor
from segdata.sample.scene import Scene, render
from segdata.sample.view import View
from segdata.sample.write import Shot, write_instance_ids

CAR_TRACK, BUS_TRACK, WALKER_TRACK = 1, 2, 3


def write_film(folder: Path, shots: Sequence[Shot]) -> None:
    """Instance ids in a folder for each sequence, and in segdata.yaml what of them is the track."""
    write_instance_ids(folder, shots, sequences={"pattern": "{sequence}/{frame}.jpg", "tracks": "numbers"})


def film(
    seed: int, frames: int = 12, size: tuple[int, int] = (320, 240), sequence: str = "street", until: float = 1.0
) -> list[Shot]:
    """The frames of a sequence, named `street/000000` and so on; `until` is when it ends, 1 being all that happens.

    The car (track 1) drives out of the frame to the right and comes back; the walker (track 3) vanishes behind the
    bus (track 2) and comes out again; the others stay or drift. Labels of a thing keep its track.
    """
    width, height = size
    view = View(width, height, horizon=height * 0.43, vanish_x=width * 0.5, focal=width * 0.9, eye=2.2)
    rng = np.random.default_rng([seed, 77])
    looks = [int(look) for look in rng.integers(2**31, size=8)]
    shots = []
    for frame in range(frames):
        time = until * frame / max(frames - 1, 1)
        scene = Scene(view, seed, _cast(time, looks), noise_seed=frame, lamps=((-4.7, 9.0),))
        shots.append(Shot(f"{sequence}/{frame:06d}", render(scene)))
    return shots


def _cast(time: float, looks: list[int]) -> tuple[Actor, ...]:
    """Who is where at a time from 0 to 1."""
    out_and_back = 1.0 + 10.0 * np.sin(np.pi * time)
    swing = np.pi * 8 * time
    return (
        Actor("car side", out_and_back, 11.0, looks[0], CAR_TRACK, facing=1 if time < 0.5 else -1),
        Actor("bus", -1.5, 16.0, looks[1], BUS_TRACK),
        Actor("person", -8.2 + 15.0 * time, 18.5, looks[2], WALKER_TRACK, facing=1, stride=swing),
        Actor("person", -4.5 + 1.5 * time, 8.5, looks[3], 4, facing=1, stride=swing + 1),
        Actor("car back", -1.8, 26.0 - 8 * time, looks[4], 5, facing=-1),
        Actor("car back", -3.3, 13.0, looks[5], 6),
        Actor("sign", 4.9, 10.0, looks[6], 7),
    )
