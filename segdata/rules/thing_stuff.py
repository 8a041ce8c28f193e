"""SEG206 thing-stuff: stuff has instances, or things have none."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings, segments_finding


@rule(
    "SEG206", "thing-stuff", severity="error", needs=(), tasks=("instance", "panoptic"), habit="image", per_image=True
)
def thing_stuff(tables: Tables, *, max_things: float = 0.9) -> Findings:
    """Stuff has several instances in one image, a thing has no instance id, or all of an image is things.

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

    In Cityscapes' masks a value that gives stuff the number of an object, as 7001 for road, is a warning: programs that
    count objects by values of 1000 or more count it.

    If a panoptic taxonomy has things alone, and they label nearly all of an image, that is a warning: sky, road and
    grass are among them, which nobody can count.

    Why: stuff is one segment per image by definition; panoptic quality counts every further one as a false positive.
    You cannot distinguish things without ids.

    Remedy: join the segments of stuff, or make the category a thing if you can count it.

    Options: `max_things`: the share of an image that things may label where there is no stuff.
    Defaults: 0.9 was set before the rule was tried on any data.
    """
    yield from reader_findings(tables, "SEG206")
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
    if tables.profile.task == "panoptic" and thing_ids and not stuff_ids:
        yield from _things_everywhere(tables, max_things)


def _things_everywhere(tables: Tables, max_things: float) -> Findings:
    """A warning for each annotation that things of three categories or more label nearly whole."""
    segments, images = tables.segments, tables.images
    image = tables.annotations["image"]
    pixels = np.bincount(segments["annotation"], segments["area"], len(image))
    share = pixels / np.maximum(images["width"][image] * images["height"][image], 1)
    for row in np.flatnonzero(share > max_things).tolist():
        n_categories = len(np.unique(segments["category_id"][segments["annotation"] == row]))
        if n_categories >= 3:
            message = (
                f"{n_categories} categories label {share[row]:.0%} of the image, and all categories are things: "
                "stuff such as sky or road is marked as countable"
            )
            yield RowFinding(message, annotation=row, severity="warning")
