"""SEG302 too-few: a category with too little to learn from."""

from collections.abc import Iterator

import pandas as pd

from segdata.core.counted import counted
from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


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
    segments = tables.segments[~tables.segments["category_id"].isin(taxonomy.void_ids)]
    required = {"images": min(min_images, len(tables.images)), "segments": min_segments, "px": min_pixels}
    for row in _counts(segments, ["category_id"]).to_dict("records"):
        short = [
            f"{counted(row[what], what.removesuffix('s'), what)}, {least:,} are required"
            for what, least in required.items()
            if row[what] < least
        ]
        if short:
            yield Found("; ".join(short), category=taxonomy.name_of(row["category_id"]))
    split = tables.images["split"].to_numpy()[segments["image"]]
    per_split = _counts(segments.assign(split=split).dropna(subset="split"), ["category_id", "split"])
    for row in per_split[per_split["images"] < min_split_images].to_dict("records"):
        message = f"in {counted(row['images'], 'image')} of split {row['split']!r}, {min_split_images} are required"
        yield Found(message, category=taxonomy.name_of(row["category_id"]))


def _counts(segments: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Images, segments and pixels of each group."""
    groups = segments.groupby(by, sort=True)
    counts = {"images": groups["image"].nunique(), "segments": groups.size(), "px": groups["area"].sum()}
    return pd.DataFrame(counts).reset_index()
