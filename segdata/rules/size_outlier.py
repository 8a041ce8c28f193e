"""SEG307 size-outlier: a segment far larger or smaller than others of its category."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule
from segdata.core.statistics.robust import robust_z
from segdata.core.tallies import countable


@rule("SEG307", "size-outlier", severity="info", needs=(), tasks=("instance", "panoptic"))
def size_outlier(
    tables: Tables, *, max_z: float = 5.0, min_ratio: float = 10.0, min_segments: int = 30
) -> Iterator[Found]:
    """A segment whose area is far outside the range of its category.

    Flagged (min_segments=5):
        a.b.c.d.e
        .........
        fffffffff
        fffffffff
        fffffffff

        a, b, c, d, e, f: car

    Fine (min_segments=5):
        a.b.c.d.e
        .........
        f.fff.fff
        ..fff.fff
        ......fff

        a, b, c, d, e, f: car

    Judged are logarithms of the area as a share of the image, by a robust z-score: the distance from the category's
    median in units of the median absolute deviation on that side (times 1.4826), of 0.1 at the least. Crowds, void,
    stuff and segments that reach the edge of the image are not judged.

    Why: a giant is often two things drawn as one, or a box around them; a dwarf a click that went astray.

    Remedy: look at it; redraw, split or delete what is wrong.

    Options: max_z, the largest robust z-score. min_ratio, how many times larger or smaller than the median it must be
    besides. min_segments, categories with fewer are left alone.
    Defaults: Iglewicz and Hoaglin (1993) label scores above 3.5; <DEFAULTS>
    """
    segments, images = tables.segments, tables.images
    things = [each.id for each in tables.profile.taxonomy.categories if each.kind == "thing"]
    width, height = (images[name][segments["image"]].astype(np.int64) for name in ("width", "height"))
    cut = (segments["x"] <= 0) | (segments["y"] <= 0)
    cut |= (segments["x"] + segments["width"] >= width) | (segments["y"] + segments["height"] >= height)
    told = countable(tables, crowds=False) & np.isin(segments["category_id"], things)
    rows = np.flatnonzero(told & ((width * height == 0) | ~cut))
    _, category, count = np.unique(segments["category_id"][rows], return_inverse=True, return_counts=True)
    rows, category = rows[enough := count[category] >= min_segments], category[enough]
    frame = np.maximum(width * height, 1)[rows]
    share = np.log(segments["area"][rows] / frame)
    score, median = robust_z(share, category, least_scale=0.1)
    for place in np.flatnonzero((np.abs(score) > max_z) & (np.abs(share - median) > np.log(min_ratio))).tolist():
        row, area = int(rows[place]), int(segments["area"][rows[place]])
        usual = float(np.exp(median[place]) * frame[place])
        ratio = area / usual
        times = f"{ratio:,.0f} times the" if ratio >= 1 else f"1/{1 / ratio:,.0f} of the"
        message = (
            f"{area:,} px, {times} category's median ({usual:,.0f} px in an image of this size); "
            f"robust z {score[place]:+.1f}, the limit is {max_z:g}"
        )
        yield Found(message, segments=(row,), pixels=area)
