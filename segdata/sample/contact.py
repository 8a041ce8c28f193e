"""A contact sheet: pictures beside their labels, to see at a glance what there is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.sample.scene import Picture
from segdata.sample.write import packed_png, painted, panoptic_ids


def outlined(picture: Picture, image: NDArray[np.uint8], strength: float = 0.55) -> NDArray[np.uint8]:
    """An image (height, width, 3) under the segments' colours, with white lines between segments."""
    ids = np.array([0, *panoptic_ids(picture.segments)])[picture.labels]
    mixed = image * (1 - strength) + packed_png(ids) * strength
    border = np.zeros(ids.shape, bool)
    border[:-1] |= ids[1:] != ids[:-1]
    border[:, :-1] |= ids[:, 1:] != ids[:, :-1]
    mixed[border] = 255
    return np.asarray(mixed.astype(np.uint8))


def contact_sheet(pictures: Sequence[Picture], drawn: Sequence[Picture]) -> NDArray[np.uint8]:
    """One row a picture: image, semantic colours, instances, and what an annotator drew.

    All pictures have one size; `drawn` holds the annotator's picture of each.
    """
    rows = [
        np.concatenate(
            [picture.image, painted(picture), outlined(picture, picture.image), outlined(hand, hand.image)], axis=1
        )
        for picture, hand in zip(pictures, drawn, strict=True)
    ]
    return np.concatenate(rows)
