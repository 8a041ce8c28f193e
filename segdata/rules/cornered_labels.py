"""SEG317 cornered-labels: the labels of all or of many images lie in the upper left."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints
from segdata.rules.shared import image_names

_CORNER = 0.55  # of width and height: half of the image, and a little


@rule("SEG317", "cornered-labels", severity="warning", needs=(), whole=True)
def cornered_labels(
    tables: Tables, *, min_segments: int = 20, min_images: int = 3, min_share: float = 0.5, least: int = 6
) -> Findings:
    """All labels of all or of many images lie in the upper left, or most objects begin in the corner of their image.

    Example:
        all 412 segments end within 50% of the width and 50% of the height of their images: are the coordinates those
            of smaller images, or shares?
        all labels of 473 of 1,500 images lie in the upper left quarter, those of 52 in another one: are the
            coordinates those of smaller images?
        26 of 26 objects begin at x = 0, y = 0, in 6 images: did they lose their place?

    The first needs `min_segments` segments in `min_images` images, none of which reaches beyond 55% of the width or of
    the height. The second needs `min_segments` images more than four times those whose labels all lie in another
    quarter, whichever has most; the frames of a sequence count as one image. The third is about things that are less
    than half as wide and high as their image; a pixel more or less is the same corner.

    Why: coordinates of a reduced image, in percent, or of masks whose place was lost, fit no object. Pixels and boxes
    agree with each other, so that no other check sees it without the pictures.

    Remedy: scale the coordinates by the size of the images, or export the masks with their origin.

    Options: `min_segments`, `min_images`: fewer tell nothing. `min_share`: the least share of things that begin in the
    corner, `least` their least number.
    Defaults: they follow from the definition: were a segment as likely right of the middle as left of it, twenty would
    all be on one side once in 500,000 datasets. 41 openings of public datasets have no finding; in TACO (1500 images)
    38 images have all labels in the upper left quarter and 55 to 74 in the others, of 388 magnetic tiles 60 and 29 to
    61.
    """
    segments, images = tables.segments, tables.images
    width, height = (images[name][segments["image"]] for name in ("width", "height"))
    drawn = np.flatnonzero((segments["area"] > 0) & (width > 0) & (height > 0))
    if len(drawn) < least:
        return
    right = ((segments["x"] + segments["width"]) / np.maximum(width, 1))[drawn]
    lower = ((segments["y"] + segments["height"]) / np.maximum(height, 1))[drawn]
    n_images = len(np.unique(segments["image"][drawn]))
    if len(drawn) >= min_segments and n_images >= min_images and max(right.max(), lower.max()) <= _CORNER:
        yield RowFinding(
            f"all {len(drawn):,} segments end within {right.max():.0%} of the width and {lower.max():.0%} of the "
            "height of their images: are the coordinates those of smaller images, or shares?"
        )
        return
    yield from _reduced_images(tables, drawn, right, lower, min_segments)
    kind = tables.profile.taxonomy.thing_ids
    things = drawn[np.isin(segments["category_id"][drawn], kind)]
    small = things[(2 * segments["width"] < width)[things] & (2 * segments["height"] < height)[things]]
    first = small[(segments["x"][small] <= 1) & (segments["y"][small] <= 1)]
    there = np.unique(segments["annotation"][first])
    if len(first) >= max(least, min_share * len(things)) and len(there) >= min_images:
        yield RowFinding(
            f"{len(first):,} of {count_noun(len(things), 'object')} begin at x = 0, y = 0, in "
            f"{count_noun(len(there), 'image')} ({image_names(tables, there)}): did they lose their place?",
            pixels=int(segments["area"][first].sum()),
        )


def _reduced_images(tables: Tables, drawn: Ints, right: Floats, lower: Floats, least: int) -> Findings:
    """One finding if far more images have all labels in the upper left quarter than in any other."""
    segments, images = tables.segments, tables.images
    unit = np.arange(len(images))
    in_sequence = np.flatnonzero(~images.missing("sequence"))
    for rows in images.take(in_sequence).groups("sequence"):
        unit[in_sequence[rows]] = in_sequence[rows[0]]
    image = segments["image"][drawn]
    left, upper = (segments[name][drawn] / images[size][image] for name, size in (("x", "width"), ("y", "height")))
    inside = np.ones((4, len(images)), bool)
    for quarter, outside in enumerate(
        outside_x | outside_y for outside_x in (right > 0.5, left < 0.5) for outside_y in (lower > 0.5, upper < 0.5)
    ):
        inside[quarter, unit[image[outside]]] = False
    labelled = np.unique(unit[image])
    n_reduced, *others = inside[:, labelled].sum(axis=1).tolist()
    if n_reduced >= least + 4 * max(others):
        there = np.unique(segments["annotation"][drawn[inside[0, unit[image]]]])
        yield RowFinding(
            f"all labels of {n_reduced:,} of {count_noun(len(labelled), 'image')} ({image_names(tables, there)}) lie "
            f"in the upper left quarter, those of {max(others):,} in another one: are the coordinates those of "
            "smaller images?"
        )
