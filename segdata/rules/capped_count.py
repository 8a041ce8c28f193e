"""SEG316 capped-count: no image has more than a certain number of objects, and many have just that."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import is_example, number_names
from segdata.rules.shared import is_thing

_LEAST_ID = 31  # 2 ** 5 - 1: below, a number of bits is also a usual number of things
_FULL = 4  # images that use the highest id


@rule("SEG316", "capped-count", severity="warning", needs=(), tasks=("instance", "panoptic"), whole=True)
def capped_count(
    tables: Tables, *, min_images: int = 20, min_count: int = 5, min_share: float = 0.1, min_ratio: float = 4.0
) -> Findings:
    """No image has more than a certain number of objects, or a higher id, and many have just that.

    Example:
        35 of 40 images have 100 objects, and none has more: a limit of an export or a page?

    The rule counts the things of each image, by annotator. If counts end in nature, they thin out before they do. If
    many images have the very largest count, and few the counts just below it, a limit has cut the rest off. Datasets in
    which nearly all images have one and the same number of objects are not judged.

    It also looks at the highest id of each image: 31, 63, 127, 255 … in several images, and none above, is what is left
    of ids that were cut to a few bits.

    Why: an interface that returns a page of 100 annotations, or a model that keeps its 100 best, loses the rest
    silently, and always in the most crowded images.

    Remedy: export again without the limit, or page by page.

    Options: `min_images`: the least number of images. `min_count`: the least limit. `min_share`: the least share of
    images that reach it, and of those that have fewer. `min_ratio`: how many times as many images reach it as have each
    of the three counts below, on average.
    Defaults: in 41 openings of public datasets nothing is flagged. COCO cut to 5 objects an image is, and GBM40 to 100.
    """
    rows = np.flatnonzero(is_example(tables, crowds=False) & is_thing(tables))
    counts = np.bincount(tables.segments["annotation"][rows], minlength=len(tables.annotations))
    names, annotator = number_names(tables.annotations.texts("annotator"))
    highest = np.zeros(len(tables.annotations), np.int64)
    np.maximum.at(highest, tables.segments["annotation"][rows], tables.segments["segment_id"][rows].astype(np.int64))
    for number in np.unique(annotator).tolist():
        mine = counts[annotator == number]
        most, n = int(mine.max(initial=0)), len(mine)
        reach, near = int((mine == most).sum()), int(((mine < most) & (mine >= most - 3)).sum())
        top = highest[annotator == number]
        limit, n_full = int(top.max(initial=0)), int((top == top.max(initial=0)).sum())
        if limit >= _LEAST_ID and limit & (limit + 1) == 0 and n_full >= max(_FULL, min_share * n):
            message = (
                f"{n_full:,} of {n:,} images use ids up to {limit:,}, and none a higher one: ids that were cut to "
                f"{limit.bit_length()} bits, so that several objects share one?"
            )
            yield RowFinding(message, annotator=names[number] if number >= 0 else None)
        fewer = mine[(mine < most) & (mine > 0)]
        if n < min_images or most < min_count or len(np.unique(fewer)) < 3:
            continue
        if reach >= max(4, min_share * n, min_ratio * (near / 3 + 1)) and len(fewer) >= max(4, min_share * n):
            message = (
                f"{reach:,} of {n:,} images have {most:,} objects, and none has more: a limit of an export or a page?"
            )
            yield RowFinding(message, annotator=names[number] if number >= 0 else None)
