"""SEG307 size-outlier: a segment is far larger or smaller than others of its category."""

from functools import partial

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import group_medians, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.statistics import group_median, outlier_limit, robust_z
from segdata.core.strata import is_example, joint_codes, size_class
from segdata.measure.sequences import is_frame_of

_EDGE = 3  # pixels; outlines of segments that the frame cuts often end a little before it
_SIZES = 64  # more than classes of sizes
_MIN_SEGMENTS = 4  # of an image, to estimate the distance of the camera


@rule("SEG307", "size-outlier", severity="info", needs=(), tasks=("instance", "panoptic"), by_part=True)
def size_outlier(tables: Tables, *, rate: float = 0.05, min_ratio: float = 10.0, min_segments: int = 30) -> Findings:
    """The area of a segment is far outside the range of its category.

    Flagged (min_segments=5):
        .................
        .................
        .................
        ...a.b.c.d.e.f...
        .................
        ...ggggggggggg...
        .................
        .................
        .................

        a, b, c, d, e, f, g: car

    Fine, it may be cut by the edge (min_segments=5):
        .................
        .................
        .................
        ...a.b.c.d.e.f...
        .................
        ...gggggggggggggg
        .................
        .................
        .................

        a, b, c, d, e, f, g: car

    The rule judges logarithms of the area as a share of the image, among images of about the same size, by a robust
    z-score: the distance from the category's median in units of the median absolute deviation on that side (times
    1.4826), of 0.1 at least. The limit grows with the number n of a category's segments, as the largest of n normal
    values does (Davies and Gather, 1993, JASA 88, 782-792). Crowds, void, stuff, segments within 3 pixels of the
    image's edge, which may cut them, and slices of a volume are not judged. Nothing is flagged if an image has four or
    more of the category and this one is as large as they are: then the camera was near, or far away.

    Why: a giant is often two things drawn as one, or a box around them. A dwarf is a click that went astray.

    Remedy: look at it; redraw, split or delete what is wrong.

    Options: `rate`: the chance that a category without outliers, of normal logarithms, has a finding. `min_ratio`: how
    many times larger or smaller than the median it must also be. `min_segments`: categories with fewer segments are
    ignored.
    Defaults: 0.05 is the usual level. A factor of 10 was set on 24 public datasets, of which four have findings: TACO 7
    of 4784 segments, its release of June 2019 5 of 2152, kudzu bugs 4 of 869, COCO (50 images) 1 of 470. All of the
    five with images are outliers (three close-ups, two tiny things) and none is a mistake: hence an info.
    """
    segments, images = tables.segments, tables.images
    width, height = images["width"].astype(np.int64), images["height"].astype(np.int64)
    pixels, image = width * height, segments["image"]
    cut = (segments["x"] < _EDGE) | (segments["y"] < _EDGE)
    cut |= segments["x"] + segments["width"] > (width - _EDGE)[image]
    cut |= segments["y"] + segments["height"] > (height - _EDGE)[image]
    is_measured = is_example(tables, crowds=False) & np.isin(segments["category_id"], tables.profile.taxonomy.thing_ids)
    is_measured &= (images.missing("sequence") | is_frame_of(tables.profile, images, "video"))[image]
    rows = np.flatnonzero(is_measured & ((pixels == 0)[image] | ~cut))
    # The numbers of categories and sizes are the same in all parts of a dataset.
    category = segments["category_id"][rows].astype(np.int64) * _SIZES + size_class(tables)[image[rows]]
    count = sum_by(tables, {"category": category}, {"n": np.ones(len(rows), np.int64)}, least=min_segments)
    enough = np.isin(category, count["category"])
    rows, category = rows[enough], category[enough]
    limit = outlier_limit(count["n"], rate)[np.searchsorted(count["category"], category)]
    frame = np.maximum(pixels, 1)[image[rows]]
    share = np.log(segments["area"][rows] / frame)
    score, median = robust_z(share, category, least_scale=0.1, median=partial(group_medians, tables))
    is_outlier = (np.abs(score) > limit) & (np.abs(share - median) > np.log(max(min_ratio, 1.0)))
    place, _ = joint_codes(image[rows], category)  # what one image has of one category
    is_similar = np.abs(share - group_median(share, place)) <= np.log(max(min_ratio, 1.0))
    is_outlier &= ~(is_similar & (np.bincount(place)[place] >= _MIN_SEGMENTS))
    for k in np.flatnonzero(is_outlier).tolist():
        row, area = int(rows[k]), int(segments["area"][rows[k]])
        usual = float(np.exp(median[k]) * frame[k])
        ratio = area / usual
        times = f"{ratio:,.0f} times the" if ratio >= 1 else f"1/{1 / ratio:,.0f} of the"
        message = (
            f"{area:,} px, {times} category's median ({usual:,.0f} px in an image of this size); "
            f"{abs(score[k]):.1f} times the usual spread, the limit is {limit[k]:.1f}"
        )
        yield RowFinding(message, segments=(row,), pixels=area)
