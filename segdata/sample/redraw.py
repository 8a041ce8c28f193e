"""What a hand does to a label map: things grow, shrink, vanish, appear and change their names."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.sample.canvas import Segment
from segdata.sample.scene import Picture
from segdata.sample.taxonomy import Category
from segdata.sample.texture import Field, value_noise
from segdata.sample.tidy import nearest_label, tidy

Mask = NDArray[np.bool_]


def signed_distance(mask: Mask) -> Field:
    """Pixels to the outline of a mask, positive inside: (height, width). Outlines run between pixels."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)


@dataclass
class Sheet:
    """A label map under a pencil: `stuff` holds the stuff everywhere, `things` one mask by track."""

    image: NDArray[np.uint8]
    stuff: NDArray[np.int32]
    kinds: list[Segment]
    things: dict[int, tuple[Segment, Mask]]

    @classmethod
    def of(cls, picture: Picture) -> "Sheet":
        """The sheet of a picture: where things stand, the nearest stuff is taken to be behind."""
        is_thing = np.array([False, *(segment.category.kind == "thing" for segment in picture.segments)])
        things = {
            segment.track: (segment, picture.mask(label))
            for label, segment in enumerate(picture.segments, start=1)
            if is_thing[label]
        }
        return cls(
            picture.image, nearest_label(picture.labels, ~is_thing[picture.labels]), list(picture.segments), things
        )

    def rename(self, track: int, category: Category) -> None:
        """Give a thing another category."""
        segment, mask = self.things[track]
        self.things[track] = (replace(segment, category=category), mask)

    def grow(self, track: int, pixels: float) -> None:
        """Move a thing's outline outwards, or inwards where `pixels` is negative; other things keep what is theirs."""
        segment, mask = self.things[track]
        others = np.zeros_like(mask)
        for other, (_, theirs) in self.things.items():
            others |= theirs if other != track else False
        self.things[track] = (segment, (signed_distance(mask) > -pixels) & ~others)

    def merge(self, kept: int, lost: int) -> None:
        """Make one thing of two."""
        segment, mask = self.things[kept]
        self.things[kept] = (segment, mask | self.things.pop(lost)[1])

    def warp(self, rng: np.random.Generator, pixels: float, cell: float = 12.0) -> None:
        """Let every outline waver by about `pixels` (standard deviation), in waves of about `cell` pixels."""
        height, width = self.stuff.shape
        # value_noise has a standard deviation of about a half.
        across, down = (value_noise(rng, height, width, cell) * np.float32(2 * pixels) for _ in range(2))
        rows = np.clip(np.round(np.arange(height)[:, None] + down), 0, height - 1).astype(int)
        columns = np.clip(np.round(np.arange(width)[None, :] + across), 0, width - 1).astype(int)
        self.stuff = self.stuff[rows, columns]
        self.things = {track: (segment, mask[rows, columns]) for track, (segment, mask) in self.things.items()}

    def picture(self, min_pixels: int = 12) -> Picture:
        """The sheet as a picture again; parts under `min_pixels` are given to their surroundings."""
        labels, segments = self.stuff.copy(), list(self.kinds)
        for segment, mask in self.things.values():
            segments.append(segment)
            labels[mask] = len(segments)
        tidied, kept = tidy(labels, min_pixels)
        return Picture(self.image, tidied, tuple(segments[label - 1] for label in kept))


def simplified(mask: Mask, pixels: float) -> Mask:
    """The mask as a coarse polygon: outlines off by up to `pixels`, holes filled."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    coarse = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(coarse, [cv2.approxPolyDP(contour, pixels, True) for contour in contours], 1)
    return coarse.astype(bool)


def touching(sheet: Sheet, track: int) -> list[int]:
    """The things of the same category that touch a thing along three pixels or more."""
    segment, mask = sheet.things[track]
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return [
        other for other, (kind, theirs) in sheet.things.items()
        if other != track and kind.category is segment.category and not kind.crowd and (near & theirs).sum() >= 3
    ]  # fmt: skip


def free_spot(sheet: Sheet, track: int, rng: np.random.Generator) -> Mask | None:
    """The shape of a thing, mirrored and moved to where there is no thing, or None where there is no room."""
    mask = sheet.things[track][1]
    taken = np.any([theirs for _, theirs in sheet.things.values()], axis=0)
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    for _ in range(200):
        down, left = int(rng.integers(-12, 13)), int(rng.integers(0, width - np.ptp(columns)))
        y, x = rows + down, left + (columns.max() - columns)
        if y.min() >= 0 and y.max() < height and not taken[y, x].any():
            spot = np.zeros_like(mask)
            spot[y, x] = True
            return spot
    return None
