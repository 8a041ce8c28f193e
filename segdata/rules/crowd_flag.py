"""SEG121 crowd-flag: `iscrowd` is set where there is no crowd."""

import msgspec
import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags
from segdata.rules.shared import reader_findings, segments_finding

_FEW = 3  # polygons that get a finding each


@rule("SEG121", "crowd-flag", severity="warning", needs=("shapes",), whole=True)
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
    its evaluation neither rewards nor punishes what is found there. You get one finding for each kind and category, and
    for up to three polygons each its own.

    Why: such segments vanish from most training loaders and from the evaluation. Some programs set the flag on all
    masks that they export as RLE.

    Remedy: set `iscrowd` to 0 for single objects and stuff.

    Options: `max_share`: the largest share of crowds among a category's segments, and of crowds that are no larger than
    a typical object of the category among its crowds. `min_crowds`: categories with fewer crowds are not judged by
    shares. `min_objects`: sizes are compared in categories with as many single objects.
    Defaults: in COCO (50 images) 5 of 470 segments are crowds, at most 3 of 99 of a category, and 4 of the 5 are larger
    than the median object.
    """
    segments, taxonomy = tables.segments, tables.profile.taxonomy
    crowd = segments["iscrowd"]
    yield from _polygons(tables, int(crowd.sum()))
    if not crowd.any():
        return
    category, area = segments["category_id"], segments["area"]
    stuff_ids = [entry.id for entry in taxonomy.categories if entry.kind == "stuff"]
    stuff = np.isin(category, stuff_ids)
    if (crowd & stuff).any():
        rows = np.flatnonzero(crowd & stuff)
        message = f"iscrowd is set on {len(rows):,} of {int(stuff.sum()):,} segments of stuff, of which no crowd can be"
        yield segments_finding(tables, message, rows)
    for id_ in np.unique(category[crowd & ~stuff]).tolist():
        own: Flags = category == id_
        crowds, objects = np.flatnonzero(own & crowd), np.flatnonzero(own & ~crowd)
        if len(crowds) < min_crowds:
            continue
        name = tables.profile.name_of(id_)
        if len(crowds) > max_share * (len(crowds) + len(objects)):
            message = f"iscrowd is set on {len(crowds):,} of {len(crowds) + len(objects):,} segments"
            yield segments_finding(tables, f"{message}; the limit is {max_share:.0%}", crowds, name)
        elif len(objects) >= min_objects:
            typical = float(np.median(area[objects]))
            single = crowds[(area[crowds] <= typical) & (segments["parts"][crowds] == 1)]
            if len(single) > max_share * len(crowds):
                message = f"{len(single):,} of {len(crowds):,} crowds are one part, no larger than a typical object"
                yield segments_finding(tables, f"{message} ({typical:,.0f} px)", single, name)


def _polygons(tables: Tables, n_crowds: int) -> Findings:
    """The crowds that readers found as polygons, as one finding where there are many."""
    findings = [msgspec.structs.replace(finding, severity=None) for finding in reader_findings(tables, "SEG121")]
    if len(findings) <= _FEW:
        yield from findings
        return
    first = findings[0]
    message = f"{len(findings):,} of {n_crowds:,} segments with iscrowd are polygons; COCO's crowds are RLE"
    yield RowFinding(message, file=first.file, place=first.place)
