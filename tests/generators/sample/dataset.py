"""The sample data as a whole: `make` writes clean data and data with defects, with their truth."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.generators.sample import writers
from tests.generators.sample.canvas import StreetObject, View
from tests.generators.sample.defects.seeding import SeededDefect, build_defects
from tests.generators.sample.label_noise import write_annotators, write_noise
from tests.generators.sample.scene import Scene, compose, render
from tests.generators.sample.writers import Json, NamedPicture, write_instance_ids

CAR_TRACK, BUS_TRACK, WALKER_TRACK = 1, 2, 3


def write_video(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """Write instance ids in a folder for each sequence; segdata.yaml says which part of an id is the track."""
    write_instance_ids(folder, shots, sequences={"pattern": "{sequence}/{frame}.jpg", "tracks": "numbers"})


def render_video(
    seed: int, frames: int = 12, size: tuple[int, int] = (320, 240), sequence: str = "street", until: float = 1.0
) -> list[NamedPicture]:
    """The frames of a sequence, named `street/000000` and so on; `until` is the end, from 0 to 1, the whole course.

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
        scene = Scene(view, seed, _street_objects(time, looks), noise_seed=frame, lamps=((-4.7, 9.0),))
        shots.append(NamedPicture(f"{sequence}/{frame:06d}", render(scene)))
    return shots


def _street_objects(time: float, looks: list[int]) -> tuple[StreetObject, ...]:
    """The objects and their places at a time from 0 to 1."""
    out_and_back = 1.0 + 10.0 * np.sin(np.pi * time)
    swing = np.pi * 8 * time
    return (
        StreetObject("car side", out_and_back, 11.0, looks[0], CAR_TRACK, facing=1 if time < 0.5 else -1),
        StreetObject("bus", -1.5, 16.0, looks[1], BUS_TRACK),
        StreetObject("person", -8.2 + 15.0 * time, 18.5, looks[2], WALKER_TRACK, facing=1, stride=swing),
        StreetObject("person", -4.5 + 1.5 * time, 8.5, looks[3], 4, facing=1, stride=swing + 1),
        StreetObject("car back", -1.8, 26.0 - 8 * time, looks[4], 5, facing=-1),
        StreetObject("car back", -3.3, 13.0, looks[5], 6),
        StreetObject("sign", 4.9, 10.0, looks[6], 7),
    )


SIZES = ((320, 240), (320, 240), (320, 240), (400, 260), (320, 240), (264, 320))
_DEFECT_SIZE = (240, 180)
_DEFECT_IMAGES = 12
_DEFECT_FRAMES = 8
PARTS = ("clean", "annotators", "video", "defects", "noise")

CLEAN: dict[str, Callable[[Path, Sequence[NamedPicture]], None]] = {
    "semantic": writers.write_semantic,
    "instances": writers.write_instances,
    "panoptic": writers.write_panoptic,
    "instance_ids": writers.write_instance_ids,
    "layers": writers.write_layers,
}


@dataclass(frozen=True)
class Truth:
    """The output of `make`; a part that was not requested is empty.

    `shots`: the clean pictures. `frames`: those of the video. `defects`: what was seeded under defects/. `annotators`:
    the truth of annotators/. `noise`: the truth of noise/.
    """

    folder: Path
    shots: list[NamedPicture] = field(default_factory=list)
    frames: list[NamedPicture] = field(default_factory=list)
    defects: list[SeededDefect] = field(default_factory=list)
    annotators: Json = field(default_factory=dict)
    noise: list[Json] = field(default_factory=list)


def render_streets(seed: int, images: int, sizes: Sequence[tuple[int, int]] = SIZES) -> list[NamedPicture]:
    """Pictures street001, street002, ... of random streets; the n-th depends on the seed and n alone."""
    return [
        NamedPicture(
            f"street{number:03d}", render(compose(np.random.default_rng([seed, number]), *sizes[number % len(sizes)]))
        )
        for number in range(1, images + 1)
    ]


def make(folder: str | Path, seed: int = 0, images: int = 24, only: Collection[str] = PARTS) -> Truth:
    """Write the sample data into a folder: the same bytes for the same arguments.

    `images` is the number of clean pictures; `only` selects among PARTS. Raises ValueError for another part.
    """
    if unknown := set(only) - set(PARTS):
        raise ValueError(f"unknown parts {sorted(unknown)}: choose among {', '.join(PARTS)}")
    root = Path(folder)
    truth = Truth(root, render_streets(seed, images) if {"clean", "annotators", "noise"} & set(only) else [])
    if "clean" in only:
        for name, writer in CLEAN.items():
            writer(root / "clean" / name, truth.shots)
    if "annotators" in only:
        truth.annotators.update(write_annotators(root / "annotators", truth.shots, seed))
    if "video" in only:
        truth.frames.extend(render_video(seed))
        write_video(root / "video", truth.frames)
    if "defects" in only:
        seeded_data = render_streets(seed + 1, _DEFECT_IMAGES, [_DEFECT_SIZE])
        truth.defects.extend(
            build_defects(root / "defects", seeded_data, render_video(seed, _DEFECT_FRAMES, _DEFECT_SIZE))
        )
    if "noise" in only:
        truth.noise.extend(write_noise(root / "noise", truth.shots, seed))
    return truth
