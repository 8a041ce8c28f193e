"""SEG302 too-few: a category has too little to learn from."""

import numpy as np
import pyarrow as pa

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import leading, name_keys, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.strata import annotation_strata, annotation_strata_if_any, image_splits, joint_codes, number_names
from segdata.core.table import Table
from segdata.rules.shared import improper_categories, join_first, single_names

_MAX_STRATA_SHOWN, _MAX_NAMES_SHOWN = 5, 3  # in a finding


@rule("SEG302", "too-few", severity="warning", needs=(), whole=True, by_part=True, habit="category")
def too_few(
    tables: Tables,
    *,
    min_images: int = 3,
    min_segments: int = 3,
    min_pixels: int = 100,
    min_per_stratum: int = 1,
    min_dataset: int = 10,
) -> Findings:
    """A category has fewer images, segments or pixels than required.

    Flagged (min_pixels=1):
        aa.bb

        aa.bb

        aa.b.

        aa.bc

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
    ignores void; a category that never occurs is SEG204, one whose segments
    all lack pixels SEG105, one that is another in another spelling SEG215. If three quarters of the categories,
    eight or more, have two digits or more in their names and one or two segments each, as the texts of number plates
    do, they are one finding.

    Why: a category in one or two images cannot be in your training, validation and test data, and its score depends on
    which image fell where.

    Remedy: annotate more, merge it with a neighbour, or take it out of the taxonomy.

    Options: `min_images`: images that each category needs (all, if the dataset has fewer). `min_segments`: segments (in
    semantic data, which has one per image, no more than images). `min_pixels`: pixels. `min_per_stratum`: images in
    each split or stratum. `min_dataset`: images that a dataset needs for warnings; a smaller one is a sample, in which
    categories are rare by chance, and you get an info.
    Defaults: three images are one each for training, validation and test. 3 of TACO's 59 categories in use have fewer
    (1500 images), none of CamVid's 11 (40 images), and one of CamSeq01's 22: a single pixel in one of 16 images.
    """
    taxonomy = tables.profile.taxonomy
    real = np.flatnonzero(~np.isin(tables.segments["category_id"], taxonomy.void_ids))
    segments = Table({name: tables.segments[name][real] for name in ("annotation", "image", "category_id", "area")})
    by = tables.profile.by  # the column that each category must be in throughout
    strata = image_splits(tables)[tables.annotations["image"]] if by is None else annotation_strata_if_any(tables, by)
    stratum = name_keys(pa.array(strata, pa.string()))[segments["annotation"]]
    category, image = segments["category_id"], segments["image"]
    sums = {"images": _is_first(category, image), "segments": np.ones(len(real), np.int64), "px": segments["area"]}
    amounts = sum_by(tables, {"category": category}, sums)
    occupied = {"images": _is_first(category, stratum, image)}
    by_stratum = sum_by(tables, {"category": category, "stratum": stratum}, occupied)
    whole = leading(tables)
    if whole is None:
        return
    n_images = len(whole.images)
    severity: Severity | None = "info" if n_images < min_dataset else None
    required_segments = min(min_segments, n_images) if tables.profile.task == "semantic" else min_segments
    required = {"images": min(min_images, n_images), "segments": required_segments, "px": min_pixels}
    names = number_names(image_splits(whole) if by is None else annotation_strata(whole, by))[0]
    place = {key: number for number, key in enumerate(name_keys(pa.array(names, pa.string())).tolist())}
    improper = improper_categories(tables.profile, amounts["category"], amounts["segments"])
    single = single_names(tables.profile, amounts["category"], amounts["segments"])
    if len(single):
        listed = join_first(map(taxonomy.name_of, single.tolist()), _MAX_NAMES_SHOWN)
        message = (
            f"{len(single):,} of {len(amounts):,} categories name single things, with numbers in their names and "
            f"mostly one segment or two: {listed}; keep texts and ids as attributes, and name kinds"
        )
        yield RowFinding(message, severity=severity)
    judged = ~np.isin(amounts["category"], improper) & (amounts["px"] > 0)
    for id_, *counts in amounts.take(judged).lines("category", *sums):
        short = [
            f"{count_noun(count, unit.removesuffix('s'), unit)}, {lower:,} are required"
            for (unit, lower), count in zip(required.items(), counts, strict=True)
            if count < lower
        ]
        images = np.zeros(len(names), np.int64)
        for key, n in by_stratum.take(by_stratum["category"] == id_).lines("stratum", "images"):
            if key in place:
                images[place[key]] = n
        # Splits without any are SEG303's.
        lacking = np.flatnonzero((images < min_per_stratum) & ((images > 0) | (by not in (None, "split"))))
        if len(lacking):
            listed = list_names(
                [f"{names[number]!r} {images[number]:,}" for number in lacking.tolist()], _MAX_STRATA_SHOWN
            )
            short.append(f"images by {by or 'split'}: {listed}, {min_per_stratum:,} are required")
        if short:
            yield RowFinding("; ".join(short), category=taxonomy.name_of(id_), severity=severity)


def _is_first(*columns: Ints) -> Flags:
    """(n,) whether no row before has the same combination of columns (n,)."""
    codes, first = joint_codes(*columns)
    result = np.zeros(len(codes), bool)
    result[first] = True
    return result
