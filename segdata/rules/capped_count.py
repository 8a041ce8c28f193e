"""SEG316 capped-count: no image has more than a certain number of objects, and many have just that."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import is_example, number_names
from segdata.rules.shared import is_thing

_MIN_LIMIT = 31  # 2 ** 5 - 1: smaller limits are also usual numbers of things
_MIN_IMAGES = 4  # that reach the limit
_MIN_STRETCHED = 8  # the lowest id of images whose ids were stretched


@rule("SEG316", "capped-count", severity="warning", needs=(), tasks=("instance", "panoptic"), whole=True, by_part=True)
def capped_count(
    tables: Tables, *, min_images: int = 20, min_count: int = 5, min_share: float = 0.1, min_ratio: float = 4.0
) -> Findings:
    """No image has more than a certain number of objects, or a higher id, and many have just that.

    Example:
        35 of 40 images have 100 objects, and none has more: a limit of an export or a page?

    The rule counts the things of each image, by annotator. If nothing limits the counts, few images have the largest
    one, and about as few the counts just below it. Many images with the very largest count, and few just below it, show
    that a limit has cut the rest off. Datasets in which nearly all images have the same number of objects are not
    judged.

    The rule also looks at the highest id of each image of masks. If it is 31, 63, 127, 255 … in several images, and
    higher in none, ids were cut to a few bits, and objects share them; or, if these images have no low ids, they were
    stretched.

    Why: an interface that returns a page of 100 annotations, or a model that keeps its 100 best, loses the rest
    silently, and always in the most crowded images.

    Remedy: export again without the limit, or page by page; with more bits if ids were cut.

    Options: `min_images`: the least number of images. `min_count`: the least limit. `min_share`: the least share of
    images that reach it, and of those that have fewer. `min_ratio`: how many times as many images reach it as have each
    of the three counts below, on average.
    Defaults: in 41 openings of public datasets nothing is flagged. COCO cut to 5 objects an image is, and GBM40 to 100.
    """
    rows = np.flatnonzero(is_example(tables, crowds=False) & is_thing(tables))
    counts = np.bincount(tables.segments["annotation"][rows], minlength=len(tables.annotations))
    highest = np.zeros(len(tables.annotations), np.int64)
    np.maximum.at(highest, tables.segments["annotation"][rows], tables.segments["segment_id"][rows].astype(np.int64))
    lowest = np.full(len(tables.annotations), np.iinfo(np.int64).max)
    np.minimum.at(lowest, tables.segments["annotation"][rows], tables.segments["segment_id"][rows].astype(np.int64))
    tables, images = gather(tables, {"counts": counts, "highest": highest, "lowest": lowest})
    names, annotator = number_names(tables.annotations.texts("annotator"))
    are_values = tables.profile.raster_rule == "mask-native"  # of pixels; polygons are numbered line by line in YOLO
    for number in np.unique(annotator).tolist():
        mine, name = annotator == number, names[number] if number >= 0 else None
        cut_ids = _cut_ids(images["highest"][mine], images["lowest"][mine], min_share) if are_values else None
        capped = _cap_message(images["counts"][mine], min_images, min_count, min_share, min_ratio)
        yield from (RowFinding(message, annotator=name) for message in (cut_ids, capped) if message is not None)


def _cut_ids(highest: Ints, lowest: Ints, min_share: float) -> str | None:
    """The message that ids were cut to some bits, or stretched to them, by the ids of each image (n,); None: neither.

    Ids that were stretched have no low ones.
    """
    limit, n = int(highest.max(initial=0)), len(highest)
    reach = int((highest == limit).sum())
    if limit < _MIN_LIMIT or limit & (limit + 1) or reach < max(_MIN_IMAGES, min_share * n):
        return None
    is_stretched = lowest[highest == limit].min() >= _MIN_STRETCHED
    cause = "stretched over" if is_stretched else "cut to"
    share = "as a viewer shows them" if is_stretched else "so that several objects share one"
    return (
        f"{reach:,} of {n:,} images use ids up to {limit:,}, and none a higher one: ids that were {cause} "
        f"{limit.bit_length()} bits, {share}?"
    )


def _cap_message(counts: Ints, min_images: int, min_count: int, min_share: float, min_ratio: float) -> str | None:
    """The message that a limit has cut objects off, by the number of objects of each image (n,); None: none has."""
    most, n = int(counts.max(initial=0)), len(counts)
    reach, near = int((counts == most).sum()), int(((counts < most) & (counts >= most - 3)).sum())
    fewer = counts[(counts < most) & (counts > 0)]
    if n < min_images or most < min_count or len(np.unique(fewer)) < 3:
        return None
    least = max(_MIN_IMAGES, min_share * n)
    if reach < max(least, min_ratio * (near / 3 + 1)) or len(fewer) < least:
        return None
    return f"{reach:,} of {n:,} images have {most:,} objects, and none has more: a limit of an export or a page?"
