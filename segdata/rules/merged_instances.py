"""SEG108 merged-instances: two things share one id, apart or joined at a neck."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import leading, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import joint_codes
from segdata.rules.shared import bridged_segments, is_thing, typical_values

_MIN_SPREAD = 0.2  # of the logarithm of area
_MIN_REACH = 0.12  # spread of the logarithm of the box's diagonal
_MAX_REACH = 0.4
_DIVIDED = 0.7  # of a segment's pixels: the most that its largest part has if it is in several large parts
_MIN_DIVIDED_SHARE = 0.5  # of the segments, where each category is one object
_COVERED = 0.9  # of the frame, by things: a map of classes
_EVERYWHERE = 0.95  # of the images, times categories, that a scheme has of which each image shows all
_MIN_ANNOTATIONS, _MIN_OF_CATEGORY, _MIN_CATEGORIES = 8, 5, 2  # with things; segments; categories with so many
_MIN_BENT_SCORE = 1.5  # of the lack of solidity of a segment with a neck


@rule(
    "SEG108",
    "merged-instances",
    severity="warning",
    needs=("shapes", "apart", "lobes"),
    tasks=("instance", "panoptic"),
    habit="image",
    by_part=True,
)
def merged_instances(
    tables: Tables,
    *,
    min_reach_z: float = 2.0,
    max_part_z: float = 2.0,
    max_hidden: float = 0.25,
    max_neck: float = 0.0,
    min_area_z: float = 1.0,
    min_gain: float = 2.0,
) -> Findings:
    """The parts of one thing lie apart as two objects do, or join at a neck.

    Flagged, two parts as large as the others:
        aa.bb.cc.dd.ee
        aa.bb.cc.dd.ee
        ..............
        ff.gg.hh......
        ff.gg.hh......
        ..............
        ii.........ii.
        ii.........ii.

        a, b, c, d, e, f, g, h, i: cell

    Flagged, two lobes as large as the others (max_neck=0.7):
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        aaa.bbb.ccc.ddd
        ...............
        eee.fff.ggggggg
        eee.fff.ggg.ggg
        eee.fff.ggg.ggg

        a, b, c, d, e, f, g: cell

    Fine, a thing lies between the parts:
        aa.bb.cc.dd.ee
        aa.bb.cc.dd.ee
        ..............
        ff.gg.hh......
        ff.gg.hh......
        ..............
        ii..pppppp.ii.
        ii..pppppp.ii.

        a, b, c, d, e, f, g, h, i: cell
        p: pole

    Fine, there are too few others to know the usual size:
        aa.bb.cc......
        aa.bb.cc......
        ..............
        ii.........ii.
        ii.........ii.

        a, b, c, i: cell

    An object that something partly hides also has parts. Parts therefore count as objects only if the two largest are
    each as large as segments of the category usually are, together reach farther than these, and nothing lies between
    them. The usual size comes from at least 8 other segments in one piece in the annotation, or from 20 in the dataset;
    if sizes vary too much, nothing is flagged. Lobes are compared with 6 or more others in the annotation: each lobe is
    as large as these, the whole is larger and less convex. The rule ignores crowds, void and stuff.

    If each of several categories is one object in every image, and most of these are in several large parts, you get
    an info for the dataset: the masks of classes were probably written in place of those of objects. You do not where
    that is meant: where things cover most images, as maps of land do, or each image has all categories, as a scan has
    the same organs.

    Why: two objects under one id are one object to all of your instance metrics and losses, with a box around both.

    Remedy: give each its own id.

    Options: `min_reach_z`: how unusual the diagonal of the whole's box is, and `max_part_z`: how unusual the area of
    its parts may be, as robust scores of their logarithms. `max_hidden`: the share of the way between the parts that
    may lead over other things. `max_neck`: the width of the neck over that of the smaller lobe; wider ones are SEG120.
    0.7 is a good value for cells; at 0 no necks are reported. `min_area_z`: the score of the area of a segment with a
    neck. `min_gain`: by how much its area and lack of convexity are more unusual than those of its lobes.
    Defaults: nuclei of the Data Science Bowl 2018 (670 images, 29461) have 68 findings before they were corrected and
    47 after, those of GBM40 (40 images, 4976) 6, at `max_neck` 0.7. 70 of the 74 that were looked at are two nuclei or
    more (12 of 12 in parts, 58 of 62 with a neck), 4 are doubtful. Necks are opt-in, by `max_neck`, since for things of
    other shapes no pictures prove a precision of 0.9. COCO (50 images), TACO, kudzu, crops, lemons, StarDist and COCO's
    panoptic sample have none: parts of half hidden objects do not have usual sizes, or sizes vary too much.
    """
    yield from _one_for_each_category(tables)
    in_parts = list(_in_parts(tables, min_reach_z, max_part_z, max_hidden))
    yield from in_parts
    reported = [finding.segments[0] for finding in in_parts]
    joined = bridged_segments(tables)
    narrow = (joined["neck"] <= max_neck) & (joined["area_z"] >= min_area_z) & (joined["bent_z"] >= _MIN_BENT_SCORE)
    narrow &= (joined["gain"] >= min_gain) & ~np.isin(joined["segment"], reported)
    area = tables.segments["area"]
    for segment, neck, lobes, typical in joined.take(narrow).lines("segment", "neck", "lobes", "typical"):
        message = (
            f"{count_noun(lobes, 'lobe')} whose neck is {neck:.2f} as wide as the smaller (limit {max_neck:g}), "
            f"{area[segment]:,} px where a segment usually has {typical:,.0f} px"
        )
        yield RowFinding(message, segments=(segment,), pixels=int(area[segment]))


def _one_for_each_category(tables: Tables) -> Findings:
    """An info if no image has two things of a category, and most things are in several large parts."""
    segments = tables.segments
    rows = np.flatnonzero(is_thing(tables) & (segments["area"] > 0))
    things = segments.take(rows)
    amounts = {"n": np.ones(len(rows), np.int64), "divided": things["largest"] < _DIVIDED * things["area"]}
    sums = sum_by(tables, {"category": things["category_id"]}, amounts)
    _, first = joint_codes(things["annotation"], things["category_id"])
    drawn = np.bincount(things["annotation"], weights=things["area"], minlength=len(tables.annotations))
    frame = (tables.images["width"] * tables.images["height"])[tables.annotations["image"]]
    counts = total(
        tables,
        annotations=int((drawn > 0).sum()),
        covered=int((drawn >= np.maximum(_COVERED * frame, 1)).sum()),
        repeated=len(rows) - len(first),
    )
    n, n_divided = int(sums["n"].sum()), int(sums["divided"].sum())
    n_usual = int((sums["n"] >= _MIN_OF_CATEGORY).sum())
    if (
        leading(tables) is not None
        and counts["repeated"] == 0
        and counts["annotations"] >= _MIN_ANNOTATIONS
        and 2 * counts["covered"] <= counts["annotations"]  # else they are maps of classes, as of land
        and n < _EVERYWHERE * counts["annotations"] * len(sums)  # else each image has one of each, as a body its organs
        and n_usual >= _MIN_CATEGORIES
        and n_divided >= _MIN_DIVIDED_SHARE * n
    ):
        yield RowFinding(
            f"each of {count_noun(len(sums), 'category', 'categories')} is one object in every image, and "
            f"{n_divided:,} of {n:,} such objects are in several large parts: were masks of classes written as masks "
            "of objects?",
            severity="info",
        )


def _in_parts(tables: Tables, min_reach_z: float, max_part_z: float, max_hidden: float) -> Findings:
    """Segments whose two largest parts are each like a segment in one piece, and lie farther apart than one reaches."""
    part_pairs, segments = tables.apart, tables.segments
    thing_segments = is_thing(tables)
    area = segments["area"]
    single = thing_segments & (area > 0) & (segments["largest"] >= 0.85 * area)
    log_area = np.log(np.maximum(area, 1))
    log_reach = np.log(np.maximum(np.hypot(segments["width"], segments["height"]), 1))
    row = part_pairs["segment"]
    middles, spreads = typical_values(tables, np.stack([log_area, log_reach]), single, of=row)
    (middle, typical_reach), (spread, reach_spread) = middles, spreads
    spread, scale = np.maximum(spread, _MIN_SPREAD), np.maximum(reach_spread, _MIN_REACH)
    largest, smallest = ((np.log(part_pairs[name]) - middle) / spread for name in ("first", "second"))
    parts_reach = np.log(np.maximum(part_pairs["first_reach"], part_pairs["second_reach"]))
    reach = (log_reach[row] - typical_reach) / scale
    merged = (largest <= max_part_z) & (smallest >= -0.75 * max_part_z)
    merged &= (parts_reach - typical_reach) / scale <= max_part_z
    merged &= (reach >= min_reach_z) & (reach_spread <= _MAX_REACH)
    merged &= (part_pairs["hidden"] <= max_hidden) & thing_segments[row]
    merged_pairs = part_pairs.beside(typical=np.exp(middle)).take(merged)
    for segment, first, second, typical in merged_pairs.lines("segment", "first", "second", "typical"):
        message = f"parts of {first:,} and {second:,} px under one id, where a segment usually has {typical:,.0f} px"
        yield RowFinding(message, segments=(segment,), pixels=int(area[segment]))
