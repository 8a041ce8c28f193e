"""SEG133 pasted-outline: objects of one image have the same outline, at other places."""

import numpy as np

from segdata.core.reductions import sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import is_example, joint_codes
from segdata.rules.shared import free_outlines, segments_finding

_SHAPE = ("annotation", "category_id", "width", "height", "area", "perimeter")


@rule(
    "SEG133",
    "pasted-outline",
    severity="warning",
    needs=("shapes",),
    tasks=("instance", "panoptic"),
    whole=True,
    by_part=True,
)
def pasted_outline(
    tables: Tables, *, min_segments: int = 4, min_outline: int = 60, max_share: float = 0.25
) -> Findings:
    """Several objects of one image have the same outline, at different places.

    Example:
        12 segments have one outline, 31 x 27 px and 640 px, at other places: was it pasted?

    The rule compares category, width, height, area and length of the outline, of segments that are no boxes. It leaves
    out small shapes, which are alike by chance, and datasets in which many images have such segments: discs around
    points, say, or drawn scenes. Segments in the same place are those of duplicate-segment.

    Why: an annotator copied one object and pasted it on the others. The labels say where objects are, but not their
    shape. Nobody draws the same pixels twice.

    Remedy: draw the outlines of these objects.

    Options: `min_segments`: the least number of segments of one outline. `min_outline`: the least length of the
    outline, in pixel edges. `max_share`: the largest share of images that have such segments, of those with that many
    objects (one may always be).
    Defaults: written before the rule was tried; in 24 openings of public datasets nothing is flagged.
    """
    is_shape, _ = free_outlines(tables)
    rows = np.flatnonzero(is_example(tables, crowds=False) & is_shape)
    rows = rows[tables.segments["perimeter"][rows] >= min_outline]
    segments = tables.segments.take(rows)
    key, _ = joint_codes(*(segments[name].astype(np.int64) for name in _SHAPE))
    _, apart = joint_codes(key, segments["x"].astype(np.int64), segments["y"].astype(np.int64))
    n_places = np.bincount(key[apart], minlength=int(key.max(initial=-1)) + 1)
    pasted = n_places[key] >= min_segments
    judged, count = np.unique(segments["annotation"], return_counts=True)
    judged = judged[count >= min_segments]
    flagged = np.isin(judged, segments["annotation"][pasted])
    none = np.zeros(len(judged), np.int64)
    sums = sum_by(tables, {"all": none}, {"n": np.ones(len(judged), np.int64), "flagged": flagged})
    if not len(sums) or sums["flagged"][0] > max(1, max_share * sums["n"][0]):
        return
    for shape in np.unique(key[pasted]).tolist():
        group = np.flatnonzero(key == shape)
        width, height, area = (int(segments[name][group[0]]) for name in ("width", "height", "area"))
        message = (
            f"{len(group)} segments have one outline, {width} x {height} px and {area:,} px, at other places: "
            "was it pasted?"
        )
        category = tables.profile.name_of(int(segments["category_id"][group[0]]))
        yield segments_finding(tables, message, rows[group], category)
