"""SEG302 too-few: a category with too little to learn from."""

from collections.abc import Iterator

import numpy as np

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.rule import Tables, rule
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Taxonomy


@rule("SEG302", "too-few", severity="warning", needs=())
def too_few(
    tables: Tables, *, min_images: int = 3, min_segments: int = 3, min_pixels: int = 100, min_split_images: int = 1
) -> Iterator[Found]:
    """A category with fewer images, segments or pixels than required, in all or in one split.

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

    One finding for each category, and for each of its splits. Void is left alone; a category that never occurs is
    SEG204, one that a split lacks SEG303.

    Why: a category in one or two images cannot be in training, validation and test data, and its score depends on
    which image fell where.

    Remedy: annotate more, merge it with a neighbour, or take it out of the taxonomy.

    Options: min_images (all, where the dataset has fewer), min_segments, min_pixels: what each category needs.
    min_split_images: what it needs in each split that it occurs in.
    Defaults: three images are one each for training, validation and test. Of TACO's 59 categories in use 3 have fewer
    (1500 images), of CamVid's 11 none (40 images), of CamSeq01's 22 one: a single pixel in one of 16 images.
    """
    taxonomy = tables.profile.taxonomy
    segments = tables.segments.take(~np.isin(tables.segments["category_id"], taxonomy.void_ids))
    required = {"images": min(min_images, len(tables.images)), "segments": min_segments, "px": min_pixels}
    for rows in segments.groups("category_id"):
        found = _counts(segments, rows)
        short = [
            f"{counted(found[what], what.removesuffix('s'), what)}, {least:,} are required"
            for what, least in required.items()
            if found[what] < least
        ]
        if short:
            yield Found("; ".join(short), category=_name(segments, rows, taxonomy))
    if tables.images.missing("split").all():
        return
    split = tables.images["split"][segments["image"]]
    inside = np.array([each is not None for each in split.tolist()], bool)
    placed = segments.beside(split=split).take(inside)
    for rows in placed.groups("category_id", "split"):
        n_images = _counts(placed, rows)["images"]
        if n_images < min_split_images:
            where = f"{counted(n_images, 'image')} of split {placed['split'][rows[0]]!r}"
            message = f"in {where}, {min_split_images} are required"
            yield Found(message, category=_name(placed, rows, taxonomy))


def _counts(segments: Table, rows: Ints) -> dict[str, int]:
    """Images, segments and pixels of some segments."""
    images = len(np.unique(segments["image"][rows]))
    return {"images": images, "segments": len(rows), "px": int(segments["area"][rows].sum())}


def _name(segments: Table, rows: Ints, taxonomy: Taxonomy) -> str:
    return taxonomy.name_of(int(segments["category_id"][rows[0]]))
