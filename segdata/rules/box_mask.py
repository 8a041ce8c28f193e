"""SEG112 box-mask: the masks of a category are boxes."""

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.profile import has_videos
from segdata.core.reductions import leading, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import joint_codes
from segdata.measure.sequences import tracked_segments

_MIN_TURNED, _MIN_SHARE = 50, 0.95  # boxes, and of all outlines, of a dataset of turned boxes
_MIN_TURNED_SHARE = 0.1  # of all outlines, that are not upright
_MAX_SKEW = 0.02  # of a parallelogram: coordinates are rounded
_MAX_UPRIGHT = 0.9  # of the box around it that a turned rectangle fills
_ALL = 0.9  # of the segments of a dataset that has boxes in place of masks
_MIN_TRACKS, _MIN_TRACK_SHARE, _MAX_LATER = 5, 0.5, 0.05  # that begin as a rectangle; rectangles among later masks


@rule("SEG112", "box-mask", severity="info", needs=("outlines",), per_sequence=True)
def box_mask(tables: Tables, *, max_share: float = 0.2, min_segments: int = 5, min_side: int = 5) -> Findings:
    """Many masks of a category are exact upright rectangles.

    Flagged (min_segments=2):
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        ............

        a, b: car

    Fine (min_segments=2):
        .aaa...bbbb.
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        aaaaa.bbbbbb
        ............

        a, b: car

    You get one finding for each category. It is a warning if nine in ten segments of all categories are rectangles:
    then nothing was outlined. Beside categories with outlines it is an info, since plates, windows and tables are
    rectangles. You get one finding for the dataset if most tracks of videos begin with a rectangle and go on with
    outlines. Crowds, void, segments narrower than min_side and those that reach from frame edge to frame edge do not
    count. If nearly all outlines of the dataset, fifty or more, are rectangles of four points, many of them turned, you
    get one finding for the dataset: they are the boxes of a detector.

    Why: such masks were bounding boxes. Your model learns their background as the category, and mask metrics measure
    boxes.

    Remedy: draw the masks, or exclude these segments from mask training.

    Options: `max_share`: the largest share of rectangles among a category's segments. `min_segments`: categories with
    fewer segments are ignored. `min_side`: the shortest side in pixels that counts.
    Defaults: one of 10,230 segments in COCO (50 images), TACO and GBM40 is such a rectangle, 1 of 16 cups (6 %). In a
    set that passed boxes off as masks (sahi's terrain), 22 of 22 are.
    """
    yield from _turned_boxes(tables)
    segments, images = tables.segments, tables.images
    frame_width, frame_height = (images[side][segments["image"]] for side in ("width", "height"))
    counts = ~segments["iscrowd"] & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    counts &= (segments["width"] >= min_side) & (segments["height"] >= min_side)
    counts &= (segments["width"] < frame_width) & (segments["height"] < frame_height)
    judged = segments.take(counts)
    area = judged["area"]
    filled = area == judged["width"] * judged["height"]
    if has_videos(tables.profile):
        yield from _tracks_that_begin_as_boxes(tables, np.flatnonzero(counts)[filled])
    ones = np.ones(len(area), np.int64)
    sums = sum_by(
        tables, {"category": judged["category_id"]}, {"n": ones, "filled": filled, "pixels": np.where(filled, area, 0)}
    )
    n_rectangles, n_all = (int(sums[name].sum()) for name in ("filled", "n"))
    severity: Severity | None = "warning" if n_rectangles >= _ALL * n_all else None
    for category, n_judged, n, pixels in (
        sums.lines("category", "n", "filled", "pixels") if leading(tables) is not None else ()
    ):
        if n > max_share * n_judged and n_judged >= min_segments:
            share = f"{n:,} of {n_judged:,} segments ({n / n_judged:.0%})"
            message = f"{share} are exact rectangles; the limit is {max_share:.0%}"
            name = tables.profile.taxonomy.name_of(category)
            yield RowFinding(message, category=name, pixels=pixels, severity=severity)


def _tracks_that_begin_as_boxes(tables: Tables, rectangles: Ints) -> Findings:
    """One finding if tracks of videos begin with a rectangle and go on with outlines."""
    tracked = tracked_segments(tables, "video")
    _, first = joint_codes(tracked["sequence"], tracked["track"])
    is_box, is_first = np.isin(tracked["segment"], rectangles), np.isin(np.arange(len(tracked)), first)
    counts = {"tracks": is_first, "begin": is_first & is_box, "later": ~is_first, "boxes": ~is_first & is_box}
    n = total(tables, **{name: int(flags.sum()) for name, flags in counts.items()})
    is_start = n["begin"] >= max(_MIN_TRACKS, _MIN_TRACK_SHARE * n["tracks"]) and n["boxes"] <= _MAX_LATER * n["later"]
    if is_start and n["later"] >= n["tracks"] and leading(tables) is not None:
        yield RowFinding(
            f"the first masks of {n['begin']:,} of {n['tracks']:,} tracks are exact rectangles, and {n['boxes']:,} of "
            f"the {n['later']:,} later ones: are they the boxes that a tracker was started with?"
        )


def _turned_boxes(tables: Tables) -> Findings:
    """One finding if nearly all outlines are rectangles, and some of them are not upright."""
    outlines = tables.outlines
    extent = (outlines["right"] - outlines["left"]) * (outlines["bottom"] - outlines["top"])
    is_rectangle = outlines["skew"] <= _MAX_SKEW  # of shares of a picture that is no square a parallelogram
    is_turned = is_rectangle & (tables.segments["area"][outlines["segment"]] < _MAX_UPRIGHT * extent)
    n = total(tables, all=len(outlines), rectangles=int(is_rectangle.sum()), turned=int(is_turned.sum()))
    if n["rectangles"] < max(_MIN_TURNED, _MIN_SHARE * n["all"]) or n["turned"] < _MIN_TURNED_SHARE * n["all"]:
        return
    if leading(tables) is not None:
        yield RowFinding(
            f"{n['rectangles']:,} of {n['all']:,} outlines are rectangles of four points, {n['turned']:,} of them "
            "turned: these are boxes, not outlines"
        )
