"""SEG121 crowd-flag: `iscrowd` is set where there is no crowd."""

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, medians, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.core.table import Table
from segdata.rules.shared import both_ways, reader_findings, segments_finding

_MAX_SINGLE_FINDINGS = 3  # polygons that get a finding each
_SEVERAL, _DRAWN = 2, 0.5  # objects that a crowd covers, and their share of its pixels
_MIN_TYPICAL, _MIN_COMPARED = 10, 10  # objects of a category whose median counts; crowds of several parts beside it
_MIN_SMALL, _MAX_OTHERS = 0.25, 0.1  # of these: no larger than the median, and objects of several parts for each


@rule("SEG121", "crowd-flag", severity="warning", needs=("outlines", "shapes"), whole=True, by_part=True)
def crowd_flag(tables: Tables, *, max_share: float = 0.5, min_crowds: int = 5, min_objects: int = 20) -> Findings:
    """The flag `iscrowd` is on stuff, on single objects, on polygons, or on nearly everything.

    Flagged, stuff:
        aaa.bb
        aaa.bb

        a: sky (stuff, crowd)
        b: car
        task: panoptic

    Flagged, most segments of a category (min_crowds=2):
        aaa.bbb.cc
        aaa.bbb.cc

        a, b: car (thing, crowd)
        c: car

    Flagged, crowds that are no larger than one object (max_share=0.6, min_crowds=2, min_objects=2):
        aa.bb.cc.dd.ee
        aa.bb.cc.dd.ee

        a, b: car (thing, crowd)
        c, d, e: car

    Fine, a crowd is larger than one object (max_share=0.6, min_crowds=2, min_objects=2):
        aaaaaa.cc.bbbbbbb
        aaaaaa.cc.bbbbbbb
        .......dd........
        .......dd........

        a, b: car (thing, crowd)
        c, d: car

    A crowd is one region of several objects that were not drawn singly. COCO stores it as RLE, never as a polygon, and
    its evaluation neither rewards nor punishes what is found there. So it covers no objects that are drawn one by one:
    the rule flags it if two of them or more, of its category, have at least half of its pixels. Single objects of
    several parts are none: you get a finding if nearly all segments of several parts are crowds, and a quarter of them
    are no larger than a typical object. You get one finding for each kind and category, and for up to three polygons
    each its own.

    Why: such segments vanish from most training loaders and from the evaluation. Some programs set the flag on all
    masks that they export as RLE.

    Remedy: set `iscrowd` to 0 for single objects and stuff; take away crowds of what is drawn one by one, or its
    pixels.

    Options: `max_share`: the largest share of crowds among a category's segments, and of crowds that are no larger than
    a typical object of the category among its crowds. `min_crowds`: categories with fewer crowds are not judged by
    shares. `min_objects`: sizes are compared in categories with as many single objects.
    Defaults: in COCO (50 images) 5 of 470 segments are crowds, at most 3 of 99 of a category, and 4 of the 5 are larger
    than the median object. Objects of their category have up to 2 % of the pixels of these, and none of three crowds of
    COCO's panoptic sample. Of COCO's and TACO's objects of several parts 11 of 27 and 40 of 110 are no larger than the
    median of their category.
    """
    segments, taxonomy = tables.segments, tables.profile.taxonomy
    crowd, category = segments["iscrowd"], segments["category_id"]
    stuff_ids = [entry.id for entry in taxonomy.categories if entry.kind == "stuff"]
    sums = sum_by(tables, {"category": category}, {"crowds": crowd, "objects": ~crowd})
    polygons = [*reader_findings(tables, "SEG121")]
    n = total(tables, polygons=len(polygons), others=int((_are_in_parts(tables) & ~crowd).sum()))
    n_polygons = n["polygons"]
    if n_polygons <= _MAX_SINGLE_FINDINGS:
        yield from (msgspec.structs.replace(finding, severity=None) for finding in polygons)
    is_compared = (sums["crowds"] > 0) & (sums["objects"] >= min(min_objects, _MIN_TYPICAL))
    objects = np.flatnonzero(~crowd & np.isin(category, sums["category"][is_compared]))
    typical = medians(tables, segments["area"][objects].astype(np.float64), category[objects])
    rows = np.flatnonzero(crowd)
    columns = {"segment": rows, "category": category[rows], "area": segments["area"][rows]}
    columns |= {"parts": segments["parts"][rows], "is_drawn": _are_drawn_singly(tables)[rows]}
    whole, crowds = gather(tables, columns, {"segment": "segments"})
    if n_polygons > _MAX_SINGLE_FINDINGS:
        yield _polygons(whole, n_polygons, len(crowds))
    middle = dict(typical.lines("group", "median"))
    yield from _objects_of_parts(whole, crowds, middle, n["others"])
    is_stuff = np.isin(crowds["category"], stuff_ids)
    if is_stuff.any():
        n_stuff = int((sums["crowds"] + sums["objects"])[np.isin(sums["category"], stuff_ids)].sum())
        stuff = crowds["segment"][is_stuff]
        message = f"iscrowd is set on {len(stuff):,} of {n_stuff:,} segments of stuff, of which no crowd can be"
        yield segments_finding(whole, message, stuff)
    twice = crowds.take(crowds["is_drawn"] != 0)
    for id_ in np.unique(twice["category"]).tolist():
        own = twice["segment"][twice["category"] == id_]
        n_crowds = int((crowds["category"] == id_).sum())
        message = f"{len(own):,} of {count_noun(n_crowds, 'crowd')} {'covers' if len(own) == 1 else 'cover'} objects"
        yield segments_finding(whole, f"{message} that are drawn one by one, too", own, tables.profile.name_of(id_))
    for id_, n_crowds, n_objects in sums.lines("category", "crowds", "objects"):
        if n_crowds < max(min_crowds, 1) or id_ in stuff_ids:
            continue
        name, own = tables.profile.name_of(id_), crowds.take(crowds["category"] == id_)
        if n_crowds > max_share * (n_crowds + n_objects):
            message = f"iscrowd is set on {n_crowds:,} of {n_crowds + n_objects:,} segments"
            yield segments_finding(whole, f"{message}; the limit is {max_share:.0%}", own["segment"], name)
        elif n_objects >= min_objects:
            single = own["segment"][(own["area"] <= middle[id_]) & (own["parts"] == 1)]
            if len(single) > max_share * n_crowds:
                message = f"{len(single):,} of {n_crowds:,} crowds are one part, no larger than a typical object"
                yield segments_finding(whole, f"{message} ({middle[id_]:,.0f} px)", single, name)


def _are_in_parts(tables: Tables) -> Flags:
    """(n_segments,) whether a segment was drawn in several rings; without an outline, whether its pixels have parts."""
    in_parts: Flags = tables.segments["parts"] > 1
    in_parts[tables.outlines["segment"]] = tables.outlines["rings"] > 1
    return in_parts


def _objects_of_parts(tables: Tables, crowds: Table, middle: dict[int, float], n_others: int) -> Findings:
    """One finding if all segments of several parts are crowds, and many of them are as small as single objects."""
    of_parts = crowds.take(crowds["parts"] > 1)
    compared = of_parts.take(np.isin(of_parts["category"], list(middle)))
    typical = np.array([middle[id_] for id_ in compared["category"].tolist()])
    n_small = int((compared["area"] <= typical).sum())
    is_one_cause = n_others <= _MAX_OTHERS * len(of_parts) and n_small >= _MIN_SMALL * len(compared)
    if len(compared) >= _MIN_COMPARED and is_one_cause:
        yield segments_finding(
            tables,
            f"iscrowd is set on {len(of_parts):,} of {len(of_parts) + n_others:,} segments of several parts, of which "
            f"{n_small:,} are no larger than a typical object: was it set for the parts?",
            of_parts["segment"],
        )


def _are_drawn_singly(tables: Tables) -> Flags:
    """(n_segments,) whether a crowd shares half of its pixels with objects of its category, two at least."""
    segments, pairs = tables.segments, both_ways(tables.pairs)
    crowd, thing = pairs["one"], pairs["other"]
    pairs = pairs.take(
        segments["iscrowd"][crowd]
        & ~segments["iscrowd"][thing]
        & (segments["category_id"][crowd] == segments["category_id"][thing])
    )
    n_objects = np.bincount(pairs["one"], minlength=len(segments))
    pixels = np.bincount(pairs["one"], pairs["shared"], minlength=len(segments))
    result: Flags = (n_objects >= _SEVERAL) & (pixels >= _DRAWN * segments["area"])
    return result


def _polygons(tables: Tables, n: int, n_crowds: int) -> RowFinding:
    """Many crowds that readers found as polygons, as one finding."""
    first = next(reader_findings(tables, "SEG121"))
    message = f"{n:,} of {n_crowds:,} segments with iscrowd are polygons; COCO's crowds are RLE"
    return RowFinding(message, file=first.file, place=first.place)
