"""SEG308 count-outlier: an image has far more or fewer segments of a category than others."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.statistics import group_median, outlier_limit, robust_z
from segdata.core.strata import is_example, joint_codes, size_class


@rule("SEG308", "count-outlier", severity="info", needs=(), tasks=("instance", "panoptic"), whole=True, by_part=True)
def count_outlier(
    tables: Tables, *, rate: float = 0.05, min_ratio: float = 4.0, min_more: int = 10, min_images: int = 10
) -> Findings:
    """An image has far more, or far fewer, segments of a category than other images that have it.

    Flagged (min_images=3, min_more=4, min_ratio=3.0, rate=0.9):
        a.b....
        .......
        .......

        a.b....
        .......
        .......

        a.b....
        .......
        .......

        a.b.c.d
        .......
        e.f.g.h

        a, b, c, d, e, f, g, h: car

    Fine (min_images=3, min_more=4, min_ratio=3.0, rate=0.9):
        a.b....
        .......
        .......

        a......
        .......
        .......

        a.b.c.d
        .......
        .......

        a.b.c.d
        .......
        e.f....

        a, b, c, d, e, f: car

    The rule judges logarithms of the counts, among images of about the same size, by a robust z-score: the distance
    from the category's median in units of the median absolute deviation on that side (times 1.4826), or of the scatter
    of independent things (Poisson: one over the square root of the median) if that is larger. The limit grows with the
    number of images, as the largest of n normal values does (Davies and Gather, 1993, JASA 88, 782-792). Images without
    the category do not count (see missing-companion), nor do crowds, void, stuff, and images with a crowd of the
    category.

    Why: an image with forty where others have four was often drawn in crumbs. One with two where others have fifty was
    often not finished.

    Remedy: look at it; finish, merge or redraw.

    Options: `rate`: the chance that a category without outliers, of normal logarithms, has a finding. `min_ratio`: how
    many times more or fewer than the median it must also be. `min_more`: by how many segments. `min_images`: categories
    in fewer images are ignored.
    Defaults: 0.05 is the usual level. A factor of 4 and 10 segments were set on 24 public datasets, of which only TACO
    has findings: 3 in 1500 images (51 pieces of litter, 51 and 26 of broken glass, where others have 1 and 2), and 2 of
    715 in June 2019. A heap of shards may be right: hence an info.
    """
    segments = tables.segments
    rows = np.flatnonzero(is_example(tables) & np.isin(segments["category_id"], tables.profile.taxonomy.thing_ids))
    owner, category = segments["annotation"][rows], segments["category_id"][rows]
    group, first = joint_codes(owner, category)
    single = np.bincount(group, segments["iscrowd"][rows], len(first)) == 0
    n, first = np.bincount(group, minlength=len(first))[single], first[single]
    columns = {"owner": owner[first].astype(np.int64), "category": category[first], "n": n}
    tables, counts = gather(tables, columns, {"owner": "annotations"})
    size = size_class(tables)[tables.annotations["image"]]
    category, _ = joint_codes(counts["category"], size[counts["owner"]])
    count = np.bincount(category)
    enough = count[category] >= min_images
    counts, category = counts.take(enough), category[enough]
    n = counts["n"]
    limit = outlier_limit(count, rate)[category]
    logs = np.log(n.astype(np.float64))
    usual = np.exp(group_median(logs, category))
    score, median = robust_z(logs, category, least_scale=1 / np.sqrt(usual))
    is_outlier = (np.abs(score) > limit) & (np.abs(logs - median) > np.log(max(min_ratio, 1.0)))
    is_outlier &= np.abs(n - usual) > min_more
    for place in np.flatnonzero(is_outlier).tolist():
        name = tables.profile.name_of(int(counts["category"][place]))
        message = (
            f"{int(n[place]):,} segments of {name!r}, where images that have it have "
            f"{usual[place]:,.0f} (median); {abs(score[place]):.1f} times the usual spread, "
            f"the limit is {limit[place]:.1f}"
        )
        yield RowFinding(message, annotation=int(counts["owner"][place]), category=name)
