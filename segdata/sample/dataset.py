"""Everything at once: `make` writes the sample data, clean and spoiled, with its truth."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segdata.sample import write
from segdata.sample.annotators import write_annotators
from segdata.sample.defects.build import build_defects
from segdata.sample.defects.site import Defect
from segdata.sample.noise import write_noise
from segdata.sample.scene import compose, render
from segdata.sample.video import film, write_film
from segdata.sample.write import Json, Shot

SIZES = ((320, 240), (320, 240), (320, 240), (400, 260), (320, 240), (264, 320))
DEFECT_SIZE = (240, 180)
DEFECT_IMAGES = 12
DEFECT_FRAMES = 8
PARTS = ("clean", "annotators", "video", "defects", "noise")

CLEAN: dict[str, Callable[[Path, Sequence[Shot]], None]] = {
    "semantic": write.write_semantic,
    "instances": write.write_instances,
    "panoptic": write.write_panoptic,
    "instance_ids": write.write_instance_ids,
    "layers": write.write_layers,
}


@dataclass(frozen=True)
class Truth:
    """What `make` made; a part that was not asked for is empty.

    `shots`: the clean pictures. `frames`: those of the video. `defects`: what was seeded under defects/. `annotators`:
    the truth of annotators/. `noise`: the truth of noise/.
    """

    folder: Path
    shots: list[Shot] = field(default_factory=list)
    frames: list[Shot] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    annotators: Json = field(default_factory=dict)
    noise: list[Json] = field(default_factory=list)


def shoot(seed: int, images: int, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Shot]:
    """Pictures street001, street002, ... of random streets; the n-th depends on the seed and n alone."""
    return [
        Shot(f"street{number:03d}", render(compose(np.random.default_rng([seed, number]), *sizes[number % len(sizes)])))
        for number in range(1, images + 1)
    ]


def make(folder: str | Path, seed: int = 0, images: int = 24, only: Collection[str] = PARTS) -> Truth:
    """Write the sample data into a folder: the same bytes for the same arguments.

    `images` is the number of clean pictures; `only` selects among PARTS. Raises ValueError for another part.
    """
    if unknown := set(only) - set(PARTS):
        raise ValueError(f"unknown parts {sorted(unknown)}: choose among {', '.join(PARTS)}")
    root = Path(folder)
    truth = Truth(root, shoot(seed, images) if {"clean", "annotators", "noise"} & set(only) else [])
    if "clean" in only:
        for name, writer in CLEAN.items():
            writer(root / "clean" / name, truth.shots)
    if "annotators" in only:
        truth.annotators.update(write_annotators(root / "annotators", truth.shots, seed))
    if "video" in only:
        truth.frames.extend(film(seed))
        write_film(root / "video", truth.frames)
    if "defects" in only:
        spoilt = shoot(seed + 1, DEFECT_IMAGES, [DEFECT_SIZE])
        truth.defects.extend(build_defects(root / "defects", spoilt, film(seed, DEFECT_FRAMES, DEFECT_SIZE)))
    if "noise" in only:
        truth.noise.extend(write_noise(root / "noise", truth.shots, seed))
    return truth
