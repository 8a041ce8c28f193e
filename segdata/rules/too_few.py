"""SEG302 too-few: a category has too little to learn from."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import unique_inverse
from segdata.core.strata import annotation_strata, image_splits, joint_codes, number_names
from segdata.core.table import Table

_MOST = 5  # strata that a finding names


@rule("SEG302", "too-few", severity="warning", needs=(), whole=True, habit="category")
def too_few(
    tables: Tables, *, min_images: int = 3, min_segments: int = 3, min_pixels: int = 100, min_per_stratum: int = 1
) -> Findings:
    """A category has fewer images, segments or pixels than required.

    Flagged (min_pixels=1):
        aa.bb

        aa.bb

        aa.b.

        aa...

        c: car (empty)

    Flagged (min_pixels=1, min_segments=1, min_images=1, min_per_stratum=2):
        aa.b
        split: train

        aa.b
        split: train

        aa.b
        split: val

        aa..
        split: val

        a: car
        b: bus

    Fine (min_pixels=1):
        aa.bb

        aa.bb

        aa.b.

    You get one finding for each category. If you set `by: COLUMN` in the configuration, each stratum of that column
    needs min_per_stratum images of each category; otherwise each split does. A split without any is SEG303. The rule
    ignores void; a category that never occurs is SEG204.

    Why: a category in one or two images cannot be in your training, validation and test data, and its score depends on
    which image fell where.

    Remedy: annotate more, merge it with a neighbour, or take it out of the taxonomy.

    Options: `min_images`: images that each category needs (all, if the dataset has fewer). `min_segments`: segments (in
    semantic data, which has one per image, no more than images). `min_pixels`: pixels. `min_per_stratum`: images in
    each split or stratum.
    Defaults: three images are one each for training, validation and test. 3 of TACO's 59 categories in use have fewer
    (1500 images), none of CamVid's 11 (40 images), and one of CamSeq01's 22: a single pixel in one of 16 images.
    """
    taxonomy = tables.profile.taxonomy
    real = np.flatnonzero(~np.isin(tables.segments["category_id"], taxonomy.void_ids))
    segments = Table({name: tables.segments[name][real] for name in ("annotation", "image", "category_id", "area")})
    n_images = len(tables.images)
    required_segments = min(min_segments, n_images) if tables.profile.task == "semantic" else min_segments
    required = {"images": min(min_images, n_images), "segments": required_segments, "px": min_pixels}
    by = tables.profile.by  # the column that each category must be in throughout
    splits = image_splits(tables)[tables.annotations["image"]]
    stratum_names, stratum = number_names(splits if by is None else annotation_strata(tables, by))
    for rows in segments.groups("category_id"):
        n_occupied = len(unique_inverse(segments["image"][rows])[0])
        counts = {"images": n_occupied, "segments": len(rows), "px": int(segments["area"][rows].sum())}
        short = [
            f"{count_noun(counts[unit], unit.removesuffix('s'), unit)}, {lower:,} are required"
            for unit, lower in required.items()
            if counts[unit] < lower
        ]
        row_stratum = stratum[segments["annotation"][rows]]
        image_stratum = row_stratum[joint_codes(row_stratum, segments["image"][rows])[1]]
        images = np.bincount(image_stratum[image_stratum >= 0], minlength=len(stratum_names))
        # Splits without any are SEG303's.
        lacking = np.flatnonzero((images < min_per_stratum) & ((images > 0) | (by not in (None, "split"))))
        if len(lacking):
            listed = ", ".join(f"{stratum_names[number]!r} {images[number]:,}" for number in lacking[:_MOST].tolist())
            more = f" and {len(lacking) - _MOST} more" if len(lacking) > _MOST else ""
            short.append(f"images by {by or 'split'}: {listed}{more}, {min_per_stratum:,} are required")
        if short:
            yield RowFinding("; ".join(short), category=taxonomy.name_of(int(segments["category_id"][rows[0]])))
