"""SEG308 count-outlier: an image with far more or fewer segments of a category than others have."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule
from segdata.core.statistics.robust import robust_z
from segdata.core.tallies import Tally, countable


@rule("SEG308", "count-outlier", severity="info", needs=(), tasks=("instance", "panoptic"), whole=True)
def count_outlier(
    tables: Tables, *, max_z: float = 5.0, min_ratio: float = 4.0, min_more: int = 10, min_images: int = 10
) -> Iterator[Found]:
    """An image with far more, or far fewer, segments of a category than other images that have it.

    Flagged (min_images=3, min_more=4):
        a.b....

        a.b....

        a.b....

        a.b.c.d
        .......
        e.f.g.h

        a, b, c, d, e, f, g, h: car

    Fine (min_images=3, min_more=4):
        a.b....

        a......

        a.b.c.d

        a.b.c.d
        .......
        e.f....

        a, b, c, d, e, f: car

    Judged are logarithms of the counts, by a robust z-score: the distance from the category's median in units of the
    median absolute deviation on that side (times 1.4826), of 0.2 at the least. Images without the category do not
    count (see missing-companion), nor do crowds, void, stuff, and images with a crowd of the category.

    Why: an image with forty where others have four was often drawn in crumbs; one with two where others have fifty
    was often not finished.

    Remedy: look at it; finish, merge or redraw.

    Options: max_z, the largest robust z-score. min_ratio, how many times more or fewer than the median it must be
    besides, and min_more, by how many segments. min_images, categories in fewer are left alone.
    Defaults: Iglewicz and Hoaglin (1993) label scores above 3.5; <DEFAULTS>
    """
    things = [each.id for each in tables.profile.taxonomy.categories if each.kind == "thing"]
    segments = tables.segments.take(countable(tables) & np.isin(tables.segments["category_id"], things))
    every = Tally.of(segments, segments["annotation"])
    crowds = np.zeros(len(segments), np.int64)
    crowds[segments["iscrowd"]] = 1
    with_crowd = Tally.of(segments.beside(area=crowds), segments["annotation"]).pixels > 0
    _, category, count = np.unique(every.category[~with_crowd], return_inverse=True, return_counts=True)
    rows = np.flatnonzero(~with_crowd)
    rows, category = rows[enough := count[category] >= min_images], category[enough]
    logs = np.log(every.segments[rows].astype(np.float64))
    score, median = robust_z(logs, category, least_scale=0.2)
    usual = np.exp(median)
    far = (np.abs(score) > max_z) & (np.abs(logs - median) > np.log(min_ratio))
    far &= np.abs(every.segments[rows] - usual) > min_more
    for place in np.flatnonzero(far).tolist():
        name = tables.profile.name_of(int(every.category[rows[place]]))
        message = (
            f"{int(every.segments[rows[place]]):,} segments of {name!r}, where images that have it have "
            f"{usual[place]:,.0f} (median); robust z {score[place]:+.1f}, the limit is {max_z:g}"
        )
        yield Found(message, annotation=int(every.owner[rows[place]]), category=name)
