"""SEG109 split-instance: two things are the halves of one."""

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.strata import joint_codes
from segdata.core.table import Table
from segdata.rules.shared import is_thing, typical_values

_MIN_SPREAD = 0.2  # of the logarithm of area
_MAX_DEVIATION = 0.05  # pixels, of a line that is upright or level
_MIN_MIRRORED = 0.8  # of a segment and the other one's mirror image: an oblique line blurs it
_MIN_CUTS = 3  # things that one upright or level line cuts, as tiles do


@rule(
    "SEG109",
    "split-instance",
    severity="info",
    needs=("seams",),
    tasks=("instance", "panoptic"),
    habit="image",
    by_part=True,
)
def split_instance(
    tables: Tables,
    *,
    min_length: float = 10.0,
    max_deviation: float = 0.3,
    min_flush: float = 0.9,
    max_step: float = 5.0,
    max_waist: float = 1.0,
    max_z: float = 1.5,
) -> Findings:
    """Two things of one category touch along a straight line, and both end where the line does.

    Flagged:
        ..........
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        ..........

        a, b: car

    Fine, they go on where the contact ends:
        .aaaa.....
        .aaaa.....
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .....bbbb.
        .....bbbb.

        a, b: car

    Fine, the contact is shorter (min_length=11):
        ..........
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        ..........

        a, b: car

    Fine, they have two categories:
        ..........
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        .aaaabbbb.
        ..........

        a: car
        b: truck

    Objects that touch, or of which one hides part of the other, seldom have a border as straight as a cut. If they do,
    one of them ends elsewhere, or there is a notch where the outlines meet. All of this is measured on pixels. If the
    category has a usual size (8 others in the annotation, or 20 in the dataset), both together must not be unusually
    large, unless the contact is exactly upright or level and twice min_length long. The rule ignores contacts that
    reach the image's edge, where one of their ends cannot be seen, and crowds, void and stuff.

    It is a warning only if one upright or level line cuts three things of an image or more, as the border of a tile
    does: only the picture shows whether a single pair is one thing. If one segment is the mirror image of the other,
    the finding says so, and is an info: a picture that was padded by reflection shows its things like that.

    Why: each half is an object that does not exist. Tiles that were annotated one by one and joined leave such cuts.

    Remedy: join the two.

    Options: `min_length`: of the contact, in pixels. `max_deviation`: from a straight line, root mean square, in
    pixels. `min_flush`: the length of the contact over the width beside it, or the reverse, on both sides. `max_step`:
    how many pixels they may differ. `max_waist`: the width farther out over that of the contact, on the narrower side;
    two discs that touch widen on both. `max_z`: the robust score of the logarithm of their common area.
    Defaults: COCO (50 images), TACO, GBM40, kudzu, crops, lemons, StarDist and COCO's panoptic sample, 12,000 segments,
    have no finding; the nuclei of the Data Science Bowl 2018 (29461) have 1, a nucleus in two halves. The rule finds 58
    % of 1000 straight cuts through segments of five of these datasets, at any angle, and 81 % of those in nuclei of
    GBM40 from 16 x 16 to 32 x 32 pixels (`benchmarks/rules/instances.py`). The others are shorter than min_length, end
    at a corner of the outline, or go through objects that are large for their category.
    """
    seams = tables.seams
    thing_segments = is_thing(tables)
    length = seams["length"]
    cut = (length >= min_length) & (seams["deviation"] <= max_deviation) & (seams["astray"] <= 0.02)
    cut &= (seams["flush"] >= min_flush) & ((1 - seams["flush"]) * length <= max_step)
    cut &= (seams["waist"] <= max_waist) & thing_segments[seams["a"]] & thing_segments[seams["b"]]
    exact = (seams["deviation"] <= _MAX_DEVIATION) & (length >= 2 * min_length)
    cut &= ~_at_edge(tables, seams)
    cut[cut] = exact[cut] | ~_too_large(tables, seams.take(cut), max_z)
    area = tables.segments["area"]
    found = seams.take(cut)
    is_tiled = _on_tile_borders(tables, found)
    columns = ("a", "b", "length", "deviation", "mirrored", "x", "y", "width", "height")
    for k, (a, b, px, deviation, mirrored, x, y, width, height) in enumerate(found.lines(*columns)):
        question = "is it one object, cut in two?"
        if mirrored >= _MIN_MIRRORED:
            question = "one is the mirror image of the other: was the picture padded by reflection?"
        message = (
            f"two segments of {area[a]:,} and {area[b]:,} px meet along a straight line of {px:.0f} px "
            f"(within {deviation:.1f} px, limit {max_deviation:g}) and end with it; {question}"
        )
        message += quote_guideline(tables.profile.taxonomy, int(tables.segments["category_id"][a]), "occlusion_rule")
        box = (x, y, max(width, 1), max(height, 1))
        severity: Severity | None = "warning" if is_tiled[k] else None
        yield RowFinding(message, segments=(a, b), bbox=box, pixels=int(min(area[a], area[b])), severity=severity)


def _on_tile_borders(tables: Tables, seams: Table) -> Flags:
    """(n_seams,) whether the contact lies on an upright or level line that cuts several things of its annotation."""
    is_straight = (seams["deviation"] <= _MAX_DEVIATION) & (seams["mirrored"] < _MIN_MIRRORED)
    is_upright = seams["width"] < seams["height"]
    place = np.where(is_upright, seams["x"], seams["y"])
    owner = tables.segments["annotation"][seams["a"]]
    line, _ = joint_codes(owner.astype(np.int64), is_upright.astype(np.int64), place.astype(np.int64))
    n_cuts = np.bincount(line[is_straight], minlength=len(seams) + 1)
    return np.asarray(is_straight & (n_cuts[line] >= _MIN_CUTS), bool)


def _at_edge(tables: Tables, seams: Table) -> Flags:
    """(n_seams,) whether the contact reaches the image's edge."""
    image = tables.segments["image"][seams["a"]]
    edge: Flags = (seams["x"] <= 0) | (seams["x"] + seams["width"] >= tables.images["width"][image])
    edge |= (seams["y"] <= 0) | (seams["y"] + seams["height"] >= tables.images["height"][image])
    return edge


def _too_large(tables: Tables, seams: Table, max_z: float) -> Flags:
    """(n_seams,) whether both together are larger than segments of the category usually are."""
    area = tables.segments["area"]
    log = np.log(np.maximum(area, 1))
    middle, spread = typical_values(tables, log, ~tables.segments["iscrowd"] & (area > 0), of=seams["a"])
    joint_log_area = np.log(np.maximum(area[seams["a"]] + area[seams["b"]], 1))
    score = (joint_log_area - middle) / np.maximum(spread, _MIN_SPREAD)
    large: Flags = score > max_z  # no score, no limit
    return large
