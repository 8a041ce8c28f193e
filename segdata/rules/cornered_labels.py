"""SEG317 cornered-labels: the labels of all or of many images lie in the upper left, or in another unit."""

from collections.abc import Callable

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather_each
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, unique_inverse
from segdata.core.table import Column, Table
from segdata.rules.shared import image_names

_CORNER_SHARE = 0.55  # of width and height: half of the image, and a little
_UNITS: dict[str, Callable[[Floats], Floats]] = {  # how far coordinates reach in an image, by the lengths of its sides
    "as thousandths of the width and height": lambda side: np.full_like(side, 1000),
    "as pixels, and not in percent": lambda side: side * side / 100,
    "a hundred times smaller": lambda side: 100 * side,
    "as shares of 1, and not in percent": lambda side: side / 100,
    "as shares of the width and height": np.ones_like,
    "in percent of the width and height": lambda side: np.full_like(side, 100),
}
_SAME_END, _MIN_ENDS = 0.01, 5  # of a side: ends that count as one, and in how many images
_BEGIN, _END = 0.02, 0.98  # of a side: labels that begin, and end, at the sides of their image
_REDUCED = 0.95  # of a side: labels that end nearer to it end where their things do
_MIN_FILLING = 0.9  # of the things, where each reaches all four sides of its image
_MIN_REACH, _UNIT_TOLERANCE = 0.85, 0.01  # of these lengths that coordinates reach, and may lie outside
_MIN_PERCENT_SIDE = 200  # pixels: in smaller images labels may well lie in the first hundred
_MIN_UNIT_IMAGES, _MIN_UNIT_OUTLINES = 2, 12


@rule("SEG317", "cornered-labels", severity="warning", needs=("outlines",), whole=True, by_part=True)
def cornered_labels(
    tables: Tables, *, min_segments: int = 20, min_images: int = 3, min_share: float = 0.5, least: int = 6
) -> Findings:
    """All labels of many images lie in the upper left or have another unit, or most objects begin in the corner.

    Example:
        all 412 segments end within 50% of the width and 50% of the height of their images: are the coordinates those
            of smaller images, or shares?
        all labels of 473 of 1,500 images lie in the upper left quarter, those of 52 in another one: are the
            coordinates those of smaller images?
        the labels of 10 of 40 images (04.png, 08.png, 12.png, …) end at 80% of both sides, those of 29 at all of it:
            are the coordinates those of smaller images?
        206 of 210 objects reach all four sides of their images, of which there are 42: were points divided by the size
            of their object, not of the image?
        26 of 26 objects begin at x = 0, y = 0, in 6 images: did they lose their place?
        the 319 outlines of 45 images (a.jpg, b.jpg, c.jpg, …) lie in their images if coordinates are read as
            thousandths of the width and height
        none of 4,976 outlines lies in its image: they reach from x = 615,463, y = 2,302,018 to x = 615,719,
            y = 2,302,274: are these coordinates of a map, or of a larger image?

    The first needs `min_segments` segments in `min_images` images, none of which reaches beyond 55% of the width or of
    the height. The second needs `min_segments` images more than four times those whose labels all lie in another
    quarter, whichever has most; the frames of a sequence count as one image. The third needs five images whose labels
    begin at the left and upper side and end at one share of the width and of the height, below 95 % and to a hundredth,
    and as many whose labels reach all sides. The fourth needs nine in ten things,
    min_segments at least, and two an image. The fifth is about things that are less than half as wide and high as their
    image; a pixel more or less is the same corner.

    Units are judged by the outlines of images most of whose outlines leave the frame, or all of whose outlines lie in
    the first hundredth of it, or, if all outlines of the dataset do, in the first hundred pixels: at least twelve
    outlines in two images. All of these must lie in their images if the unit is another, and reach 85% of the width and
    height of one.

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
    both = (_outline_reach(tables), _extents(tables))
    tables, (reach, rows) = gather_each(tables, both, {"annotation": "annotations"})
    yield from _other_units(tables, reach)
    n_segments, right, lower = int(rows["segments"].sum()), rows["right"], rows["lower"]
    if n_segments < least:
        return
    n_images = len(np.unique(tables.annotations["image"][rows["annotation"]]))
    if n_segments >= min_segments and n_images >= min_images and max(right.max(), lower.max()) <= _CORNER_SHARE:
        yield RowFinding(
            f"all {n_segments:,} segments end within {right.max():.0%} of the width and {lower.max():.0%} of the "
            "height of their images: are the coordinates those of smaller images, or shares?"
        )
        return
    yield from _reduced_images(tables, rows, min_segments)
    yield from _common_ends(tables, rows)
    n_things, n_first, n_filling = (int(rows[name].sum()) for name in ("things", "first", "filling"))
    if n_filling >= max(min_segments, 2 * n_images) and n_filling >= _MIN_FILLING * n_things and n_images >= min_images:
        yield RowFinding(
            f"{n_filling:,} of {count_noun(n_things, 'object')} reach all four sides of their images, of which there "
            f"are {n_images:,}: were points divided by the size of their object, not of the image?"
        )
    there = rows["annotation"][rows["first"] > 0]
    if n_first >= max(least, min_share * n_things) and len(there) >= min_images:
        yield RowFinding(
            f"{n_first:,} of {count_noun(n_things, 'object')} begin at x = 0, y = 0, in "
            f"{count_noun(len(there), 'image')} ({image_names(tables, there)}): did they lose their place?",
            pixels=int(rows["pixels"].sum()),
        )


def _extents(tables: Tables) -> dict[str, Column]:
    """One row for each annotation with pixels: how far its segments reach, as shares of the image, and its things.

    segments, things; filling: things that reach all four sides of the image; first: things that are less than half as
    wide and high as it and begin in its corner, and their pixels.
    """
    segments, images = tables.segments, tables.images
    is_void = np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    drawn = np.flatnonzero((segments["area"] > 0) & ~is_void)
    sizes = {name: images[name][segments["image"][drawn]] for name in ("width", "height")}
    has_size = (sizes["width"] > 0) & (sizes["height"] > 0)
    drawn, width, height = drawn[has_size], sizes["width"][has_size], sizes["height"][has_size]
    own, place = unique_inverse(segments["annotation"][drawn].astype(np.int64))
    columns: dict[str, Column] = {"annotation": own, "segments": np.bincount(place, minlength=len(own))}
    for ahead, beyond, begin, side in (("left", "right", "x", width), ("upper", "lower", "y", height)):
        start, end = segments[begin][drawn], (segments[begin] + segments["width" if begin == "x" else "height"])[drawn]
        columns[ahead], columns[beyond] = np.full(len(own), np.inf), np.full(len(own), -np.inf)
        np.minimum.at(columns[ahead], place, start / side)
        np.maximum.at(columns[beyond], place, end / side)
    thing = np.isin(segments["category_id"][drawn], tables.profile.taxonomy.thing_ids)
    first = thing & (2 * segments["width"][drawn] < width) & (2 * segments["height"][drawn] < height)
    first &= (segments["x"][drawn] <= 1) & (segments["y"][drawn] <= 1)
    fills = thing & (segments["width"][drawn] >= width - 2) & (segments["height"][drawn] >= height - 2)
    for name, some in (("things", thing), ("first", first), ("filling", fills)):
        columns[name] = np.bincount(place[some], minlength=len(own))
    pixels = np.bincount(place[first], segments["area"][drawn[first]], len(own))
    return columns | {"pixels": pixels.astype(np.int64)}


def _outline_reach(tables: Tables) -> dict[str, Column]:
    """One row for each annotation with outlines: their number and extent, and how many leave or miss the frame."""
    segments, images = tables.segments, tables.images
    image = segments["image"][tables.outlines["segment"]]
    has_size = (images["width"][image] > 0) & (images["height"][image] > 0)
    outlines, image = tables.outlines.take(has_size), image[has_size]
    own, place = unique_inverse(segments["annotation"][outlines["segment"]].astype(np.int64))
    width, height = images["width"][image], images["height"][image]
    leaves = (outlines["outside"] > 0) & (outlines["overshoot"] > 1)
    misses = (outlines["left"] >= width) | (outlines["top"] >= height)
    misses |= (outlines["right"] <= 0) | (outlines["bottom"] <= 0)
    columns: dict[str, Column] = {"annotation": own, "outlines": np.bincount(place, minlength=len(own))}
    for name, some in (("leaving", leaves), ("missing", misses)):
        columns[name] = np.bincount(place[some], minlength=len(own))
    for name, at, least in (("left", np.minimum, np.inf), ("top", np.minimum, np.inf),
                            ("right", np.maximum, -np.inf), ("bottom", np.maximum, -np.inf)):  # fmt: skip
        columns[name] = np.full(len(own), least)
        at.at(columns[name], place, outlines[name])
    return columns


def _other_units(tables: Tables, reach: Table) -> Findings:
    """One finding if outlines lie in their images in another unit, or if none does as coordinates are."""
    image = tables.annotations["image"][reach["annotation"]]
    sides = [tables.images[side][image].astype(np.float64) for side in ("width", "height")]
    in_corner = (reach["right"] <= sides[0] / 100) & (reach["bottom"] <= sides[1] / 100)
    in_percent = np.maximum(reach["right"], reach["bottom"]) <= 100 * (1 + _UNIT_TOLERANCE)
    in_percent &= np.minimum(*sides) >= _MIN_PERCENT_SIDE
    for odd in (2 * reach["leaving"] > reach["outlines"], in_corner, in_percent & in_percent.all()):
        n = int(reach["outlines"][odd].sum())
        if n < _MIN_UNIT_OUTLINES or (n_images := len(np.unique(image[odd]))) < _MIN_UNIT_IMAGES:
            continue
        own = reach.take(odd)
        for words, length_of in _UNITS.items():
            width, height = (length_of(side[odd]) for side in sides)
            begin = min((own["left"] / width).min(), (own["top"] / height).min())
            ends = [(own["right"] / width).max(), (own["bottom"] / height).max()]
            if begin >= -_UNIT_TOLERANCE and min(ends) >= _MIN_REACH and max(ends) <= 1 + _UNIT_TOLERANCE:
                yield RowFinding(
                    f"the {n:,} outlines of {count_noun(n_images, 'image')} ({image_names(tables, own['annotation'])}) "
                    f"lie in their images if coordinates are read {words}"
                )
                break
    n = int(reach["outlines"].sum())
    all_miss = n >= _MIN_UNIT_OUTLINES and (reach["missing"] == reach["outlines"]).all()
    if all_miss and len(np.unique(image)) >= _MIN_UNIT_IMAGES:
        yield RowFinding(
            f"none of {n:,} outlines lies in its image: they reach from x = {reach['left'].min():,.0f}, "
            f"y = {reach['top'].min():,.0f} to x = {reach['right'].max():,.0f}, y = {reach['bottom'].max():,.0f}: are "
            "these coordinates of a map, or of a larger image?"
        )


def _common_ends(tables: Tables, rows: Table) -> Findings:
    """One finding if the labels of some images end at one share of both sides, those of others at the sides."""
    begins = (rows["left"] <= _BEGIN) & (rows["upper"] <= _BEGIN)
    n_whole = int((begins & (np.minimum(rows["right"], rows["lower"]) >= _END)).sum())
    ends = begins & (np.abs(rows["right"] - rows["lower"]) <= _SAME_END) & (rows["right"] < _REDUCED)
    share = np.sort(rows["right"][ends])
    if len(share) < _MIN_ENDS or n_whole < _MIN_ENDS:
        return
    n_near = np.searchsorted(share, share + _SAME_END, side="right") - np.arange(len(share))
    first = int(n_near.argmax())
    n = int(n_near[first])
    if n >= max(_MIN_ENDS, len(share) / 2):
        chosen = ends & (rows["right"] >= share[first]) & (rows["right"] <= share[first] + _SAME_END)
        names = image_names(tables, rows["annotation"][chosen])
        yield RowFinding(
            f"the labels of {n:,} of {count_noun(len(rows), 'image')} ({names}) "
            f"end at {np.median(rows['right'][chosen]):.0%} of both sides, those of {n_whole:,} at all of it: are the "
            "coordinates those of smaller images?"
        )


def _reduced_images(tables: Tables, rows: Table, least: int) -> Findings:
    """One finding if far more images have all labels in the upper left quarter than in any other."""
    images = tables.images
    unit = np.arange(len(images))
    in_sequence = np.flatnonzero(~images.missing("sequence"))
    for members in images.take(in_sequence).groups("sequence"):
        unit[in_sequence[members]] = in_sequence[members[0]]
    own = unit[tables.annotations["image"][rows["annotation"]]]
    inside = np.ones((4, len(images)), bool)
    for quarter, outside in enumerate(
        outside_x | outside_y
        for outside_x in (rows["right"] > 0.5, rows["left"] < 0.5)
        for outside_y in (rows["lower"] > 0.5, rows["upper"] < 0.5)
    ):
        inside[quarter, own[outside]] = False
    labelled = np.flatnonzero(np.bincount(own))
    n_reduced, *others = inside[:, labelled].sum(axis=1).tolist()
    if n_reduced >= least + 4 * max(others):
        yield RowFinding(
            f"all labels of {n_reduced:,} of {count_noun(len(labelled), 'image')} "
            f"({image_names(tables, rows['annotation'][inside[0, own]])}) lie "
            f"in the upper left quarter, those of {max(others):,} in another one: are the coordinates those of "
            "smaller images?"
        )
