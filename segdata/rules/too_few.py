"""SEG302 too-few: a category with too little to learn from."""

from collections.abc import Iterator

import numpy as np

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.rule import Tables, rule
from segdata.core.runs import Ints
from segdata.core.table import Table


@rule("SEG302", "too-few", severity="warning", needs=(), whole=True)
def too_few(tables: Tables, *, min_images: int = 3, min_segments: int = 3, min_pixels: int = 100) -> Iterator[Found]:
    """A category with fewer images, segments or pixels than required.

    Flagged (min_pixels=1):
        aa.bb

        aa.bb

        aa.b.

        aa...

        c: car (empty)

    Fine (min_pixels=1):
        aa.bb

        aa.bb

        aa.b.

    One finding for each category. Void is left alone; a category that never occurs is SEG204.

    Why: a category in one or two images cannot be in training, validation and test data, and its score depends on
    which image fell where.

    Remedy: annotate more, merge it with a neighbour, or take it out of the taxonomy.

    Options: min_images (all, where the dataset has fewer), min_segments (in semantic data, which has one an image, no
    more than images either), min_pixels: what each category needs.
    Defaults: three images are one each for training, validation and test. Of TACO's 59 categories in use 3 have fewer
    (1500 images), of CamVid's 11 none (40 images), of CamSeq01's 22 one: a single pixel in one of 16 images.
    """
    taxonomy = tables.profile.taxonomy
    segments = tables.segments.take(~np.isin(tables.segments["category_id"], taxonomy.void_ids))
    n_images = len(tables.images)
    most = min(min_segments, n_images) if tables.profile.task == "semantic" else min_segments
    required = {"images": min(min_images, n_images), "segments": most, "px": min_pixels}
    for rows in segments.groups("category_id"):
        found = _counts(segments, rows)
        short = [
            f"{counted(found[what], what.removesuffix('s'), what)}, {least:,} are required"
            for what, least in required.items()
            if found[what] < least
        ]
        if short:
            name = taxonomy.name_of(int(segments["category_id"][rows[0]]))
            yield Found("; ".join(short), category=name)


def _counts(segments: Table, rows: Ints) -> dict[str, int]:
    """Images, segments and pixels of some segments."""
    images = len(np.unique(segments["image"][rows]))
    return {"images": images, "segments": len(rows), "px": int(segments["area"][rows].sum())}
