"""The few files of `sample_data/` in the repository: `python -m tests.generators.showcase` writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.generators.sample import writers
from tests.generators.sample.dataset import render_streets
from tests.generators.sample.label_noise import ANNOTATORS, annotate
from tests.generators.sample.scene import Picture
from tests.generators.sample.writers import colour_mask, packed_png, panoptic_ids


def outline_segments(picture: Picture, image: NDArray[np.uint8], strength: float = 0.55) -> NDArray[np.uint8]:
    """An image (height, width, 3) under the segments' colours, with white lines between segments."""
    ids = np.array([0, *panoptic_ids(picture.segments)])[picture.labels]
    mixed = image * (1 - strength) + packed_png(ids) * strength
    border = np.zeros(ids.shape, bool)
    border[:-1] |= ids[1:] != ids[:-1]
    border[:, :-1] |= ids[:, 1:] != ids[:, :-1]
    mixed[border] = 255
    return np.asarray(mixed.astype(np.uint8))


def contact_sheet(pictures: Sequence[Picture], redrawn: Sequence[Picture]) -> NDArray[np.uint8]:
    """One row a picture: image, semantic colours, instances, and what an annotator drew.

    All pictures have one size; `redrawn` holds the annotator's picture of each.
    """
    rows = [
        np.concatenate(
            [
                picture.image,
                colour_mask(picture),
                outline_segments(picture, picture.image),
                outline_segments(hand, hand.image),
            ],
            axis=1,
        )
        for picture, hand in zip(pictures, redrawn, strict=True)
    ]
    return np.concatenate(rows)


SIZE = (240, 180)
IMAGES = 3


def write_showcase(folder: Path) -> None:
    """Write sample_data: the same pictures as colour masks and as COCO panoptic, and a contact sheet."""
    shots = render_streets(seed=2, images=IMAGES, sizes=[SIZE])
    writers.write_semantic(folder / "semantic", shots)
    writers.write_panoptic(folder / "panoptic", shots)
    pictures = [shot.picture for shot in shots[:2]]
    hurried = next(who for who in ANNOTATORS if who.name == "hurried")
    redrawn = [annotate(picture, hurried, np.random.default_rng(page))[0] for page, picture in enumerate(pictures)]
    writers.write_png(folder / "contact_sheet.png", contact_sheet(pictures, redrawn))


if __name__ == "__main__":
    write_showcase(Path("sample_data"))
