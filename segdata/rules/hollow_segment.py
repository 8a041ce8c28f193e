"""SEG131 hollow-segment: only the rim of an object is labelled, where others of its category are filled."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import is_example

_MAX_HOLES = 2  # of an outline that nobody filled


@rule(
    "SEG131",
    "hollow-segment",
    severity="warning",
    needs=("shapes",),
    tasks=("instance", "panoptic"),
    whole=True,
    by_part=True,
)
def hollow_segment(
    tables: Tables, *, min_hole: float = 0.5, max_rim: float = 6.0, max_share: float = 0.02, min_segments: int = 20
) -> Findings:
    """Only the rim of an object is labelled, where others of its category are filled.

    Example:
        a rim of 4 px around a hole of 1,204 px; 1 of 125 segments of nucleus is hollow

    A segment is hollow if one or two holes make up most of what it encloses, and what is labelled is a thin rim. Things
    of bars, such as folding chairs, have more. The rule judges categories in which hollow segments are rare: rings,
    tyres and frames are often hollow.

    Why: an annotator drew the outline with a brush and forgot to fill it, or an exporter drew lines instead of areas.
    The middle of the object teaches your model background.

    Remedy: fill the segment.

    Options: `min_hole`: the least share of holes in what the segment encloses. `max_rim`: the greatest mean width of
    what is labelled, in pixels. `max_share`: the largest share of hollow segments in the category (one may always be).
    `min_segments`: of the category.
    Defaults: of 41 openings of public datasets none is flagged.
    """
    rows = np.flatnonzero(is_example(tables, crowds=False))
    segments = tables.segments.take(rows)
    holes, area = segments["hole_pixels"].astype(np.float64), segments["area"].astype(np.float64)
    rim = 2 * area / np.maximum(segments["perimeter"], 1)  # the outline goes around twice, outside and inside
    hollow = (holes >= min_hole * (area + holes)) & (rim <= max_rim)
    hollow &= segments["holes"] > 0
    category = segments["category_id"]
    ones = np.ones(len(rows), np.int64)
    peers = sum_by(tables, {"category": category}, {"n": ones, "hollow": hollow})
    few = (peers["n"] >= min_segments) & (peers["hollow"] <= np.maximum(1, max_share * peers["n"]))
    for id_, n, n_hollow in peers.take(few).lines("category", "n", "hollow"):
        name, have = tables.profile.name_of(id_), "is" if n_hollow == 1 else "are"
        for k in np.flatnonzero(hollow & (category == id_) & (segments["holes"] <= _MAX_HOLES)).tolist():
            message = (
                f"a rim of {rim[k]:.0f} px around {'a hole' if segments['holes'][k] == 1 else 'holes'} of "
                f"{holes[k]:,.0f} px; {n_hollow:,} of {n:,} segments of {name} {have} hollow"
            )
            yield RowFinding(message, segments=(int(rows[k]),), pixels=int(holes[k]), category=name)
