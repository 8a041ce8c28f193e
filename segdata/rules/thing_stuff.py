"""SEG206 thing-stuff: stuff with instances, or things without."""

from collections.abc import Iterator

import numpy as np

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


@rule("SEG206", "thing-stuff", severity="error", needs=(), tasks=("instance", "panoptic"))
def thing_stuff(tables: Tables) -> Iterator[Found]:
    """Stuff with several instances in one image, or a thing without instance id.

    Flagged:
        aaa.bbb
        aaa.bbb

        a, b: sky (stuff)
        task: panoptic

    Fine:
        aaa.aaa
        aaa.aaa

        a: sky (stuff)
        task: panoptic

    Fine:
        aaa.bbb
        aaa.bbb

        a, b: car (thing)
        task: panoptic

    One finding for each stuff category in an annotation. Crowds are left alone.

    Why: stuff is one segment an image by definition; panoptic quality counts every further one as a false positive.
    Things without ids cannot be told apart.

    Remedy: join the segments of stuff; make the category a thing if it can be counted.
    """
    segments = tables.segments
    kinds = {each.id: each.kind for each in reversed(tables.profile.taxonomy.categories)}
    kind = segments["category_id"].map(kinds)
    stuff = segments[(kind == "stuff") & ~segments["iscrowd"]]
    several = stuff[stuff.duplicated(["annotation", "category_id"], keep=False)]
    for rows in several.groupby(["annotation", "category_id"], sort=True).groups.values():
        pixels = int(segments.loc[rows, "area"].sum())
        message = f"stuff in {counted(len(rows), 'segment')} of one annotation; it is one segment by definition"
        yield Found(message, segments=tuple(int(row) for row in rows), pixels=pixels)
    nameless = (kind == "thing") & segments["segment_id"].isna() & segments["source_id"].isna() & ~segments["iscrowd"]
    area = segments["area"].to_numpy()
    for row in np.flatnonzero(nameless):
        yield Found("a thing without instance id", segments=(int(row),), pixels=int(area[row]))
