"""SEG206 thing-stuff: stuff has instances, or things have none."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import segments_finding


@rule(
    "SEG206", "thing-stuff", severity="error", needs=(), tasks=("instance", "panoptic"), habit="image", per_image=True
)
def thing_stuff(tables: Tables) -> Findings:
    """Stuff has several instances in one image, or a thing has no instance id.

    Flagged, stuff has two segments:
        aaa.bbb
        aaa.bbb

        a, b: sky (stuff)
        task: panoptic

    Fine, stuff has two parts:
        aaa.aaa
        aaa.aaa

        a: sky (stuff)
        task: panoptic

    Fine, things:
        aaa.bbb
        aaa.bbb

        a, b: car (thing)
        task: panoptic

    You get one finding for each stuff category in an annotation. The rule ignores crowds.

    Why: stuff is one segment per image by definition; panoptic quality counts every further one as a false positive.
    You cannot distinguish things without ids.

    Remedy: join the segments of stuff, or make the category a thing if you can count it.
    """
    segments = tables.segments
    kind_of = {category.id: category.kind for category in reversed(tables.profile.taxonomy.categories)}
    stuff_ids, thing_ids = ([id_ for id_ in kind_of if kind_of[id_] == kind] for kind in ("stuff", "thing"))
    stuff = np.flatnonzero(np.isin(segments["category_id"], stuff_ids) & ~segments["iscrowd"])
    several = stuff[segments.take(stuff).repeated("annotation", "category_id")]
    for group in segments.take(several).groups("annotation", "category_id"):
        message = f"stuff in {count_noun(len(group), 'segment')} of one annotation; it is one segment by definition"
        yield segments_finding(tables, message, several[group])
    nameless = segments.missing("segment_id") & segments.missing("source_id") & ~segments["iscrowd"]
    for row in np.flatnonzero(nameless & np.isin(segments["category_id"], thing_ids)):
        yield RowFinding("a thing without instance id", segments=(int(row),), pixels=int(segments["area"][row]))
