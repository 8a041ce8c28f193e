"""Regions: where annotators do not agree, and who says what there, for somebody to settle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.agreement.consensus.reached import Reached
from segdata.agreement.pixels.voting import ABSENT, UNLABELLED
from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.runs import Ints

NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Region:
    """A connected region (also by corners) without a consensus.

    Attributes
    ----------
    image : its id
    bbox : x, y, width, height in pixels
    pixels : of the region
    said : annotator -> what he calls how many of the pixels, most first; annotators of the image alone
    """

    image: str
    bbox: tuple[int, int, int, int]
    pixels: int
    said: dict[str, list[tuple[str, int]]]


def numbered(found: Reached) -> Ints:
    """(n_strips,) the connected region, from 0, of each strip that is undecided, in the order of the images."""
    image, x, top = found.votes.line.lower(found.undecided.start)
    bottom = top + (found.undecided.end - found.undecided.start)
    return kernels.parts(x, top, bottom, image.astype(np.int32), True)[0]


def regions(batch: Batch, found: Reached, annotators: Sequence[str]) -> list[Region]:
    """The regions of each image, the largest first; `annotators` are those of the votes."""
    region = numbered(found)
    image, x, top = found.votes.line.lower(found.undecided.start)
    length = found.undecided.end - found.undecided.start
    n = int(region.max(initial=-1)) + 1
    _, *box = kernels.extents(region.astype(np.int32), x, top, top + length, n)
    pixels = np.bincount(region, length, n).astype(np.int64)
    of_image = np.zeros(n, np.int64)
    of_image[region] = image
    said = _said(found, region, length, annotators)
    names = batch.images["image_id"].to_pylist()
    rows = list(zip(*(each.tolist() for each in (of_image, *box, pixels)), strict=True))
    order = np.lexsort((box[1], box[0], -pixels, of_image)).tolist()
    return [Region(names[rows[k][0]], rows[k][1:5], rows[k][5], said[k]) for k in order]


def _said(
    found: Reached, region: Ints, length: Ints, annotators: Sequence[str]
) -> list[dict[str, list[tuple[str, int]]]]:
    """(n_regions,) what each annotator says of it."""
    votes = found.votes
    cells, which = np.unique(np.stack([region, found.undecided.owner.astype(np.int64)]), axis=1, return_inverse=True)
    pixels = np.bincount(which.reshape(-1), length).astype(np.int64)
    names = [*(each.name for each in votes.categories), NOTHING]  # -1, unlabelled, is the last
    told: list[dict[str, list[tuple[str, int]]]] = [{} for _ in range(int(region.max(initial=-1)) + 1)]
    for k, name in enumerate(annotators):
        vote = votes.vote[cells[1], k]
        there = vote != ABSENT
        key, of = np.unique(np.stack([cells[0][there], vote[there]]), axis=1, return_inverse=True)
        amount = np.bincount(of.reshape(-1), pixels[there], key.shape[1]).astype(np.int64)
        for at in np.lexsort((key[1], -amount, key[0])).tolist():
            told[int(key[0, at])].setdefault(name, []).append((names[int(key[1, at])], int(amount[at])))
    return told


assert UNLABELLED == -1, "it takes the last name"
