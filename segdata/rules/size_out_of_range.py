"""SEG214 size-out-of-range: a segment is smaller or larger than the taxonomy allows."""

from typing import Literal

import numpy as np

from segdata.core.guideline import quote_guideline
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints
from segdata.core.taxonomy import Category
from segdata.rules.shared import segments_finding


@rule(
    "SEG214",
    "size-out-of-range",
    severity="warning",
    needs=(),
    when=lambda profile: any(category.size for category in profile.taxonomy.categories),
    habit="image",
    per_image=True,
)
def size_out_of_range(tables: Tables) -> Findings:
    """A segment is smaller or larger than the taxonomy allows for its category (`size`).

    Flagged:
        ......
        .a..bb
        ....bb
        ......

        a, b: nucleus
        category: nucleus (size 2 10)

    Fine, the frame cuts it off:
        a...bb
        ....bb
        ......

        a, b: nucleus
        category: nucleus (size 2 10)

    `size: {min_pixels: 2, max_pixels: 10}` includes both limits. Use `min_mm2` and `max_mm2` if you know the spacing of
    the pixels, as in volumes. You get one finding for the segments of a category in an annotation that are too small,
    and one for those too large. A segment at the frame may be smaller. The rule ignores crowds and segments without
    pixels (SEG105). In semantic data a segment is all of its category in an image.

    Why: a segment smaller than anything of its kind is a slip of the pen. A larger one is two of them, or another kind.

    Remedy: look at it; correct its outline or category, or the range.
    """
    segments, images = tables.segments, tables.images
    inner = (segments["x"] > 0) & (segments["y"] > 0)
    inner &= segments["x"] + segments["width"] < images["width"][segments["image"]]
    inner &= segments["y"] + segments["height"] < images["height"][segments["image"]]
    area = segments["area"].astype(np.float64)
    area_mm2 = area * _mm2_of_pixel(tables)[segments["image"]]
    for id_, category in tables.profile.taxonomy.by_id().items():
        if category.size is None:
            continue
        size, is_own = category.size, (segments["category_id"] == id_) & ~segments["iscrowd"] & (area > 0)
        for measure, lower, upper, unit in (
            (area, size.min_pixels, size.max_pixels, "px"),
            (area_mm2, size.min_mm2, size.max_mm2, "mm²"),
        ):
            if lower is not None:
                rows = np.flatnonzero(is_own & inner & (measure < lower))
                yield from _size_findings(tables, category, rows, measure, "smaller", f"{lower:,g} {unit}")
            if upper is not None:
                rows = np.flatnonzero(is_own & (measure > upper))
                yield from _size_findings(tables, category, rows, measure, "larger", f"{upper:,g} {unit}")


def _mm2_of_pixel(tables: Tables) -> Floats:
    """(n_images,) the area of a pixel in mm²; NaN where its spacing is not known. Slices lie across the third axis."""
    spacing_of = {sequence.name: sequence.spacing for sequence in tables.profile.sequences if sequence.spacing}
    area_of = {name: spacing[0] * spacing[1] for name, spacing in spacing_of.items()}
    return np.array([area_of.get(name, np.nan) for name in tables.images["sequence"].tolist()], np.float64)


def _size_findings(
    tables: Tables, category: Category, rows: Ints, measure: Floats, how: Literal["smaller", "larger"], limit: str
) -> Findings:
    """One finding for the segments of each annotation."""
    unit = limit.rpartition(" ")[2]
    for group in tables.segments.take(rows).groups("annotation"):
        sizes = measure[rows[group]]
        superlative, worst = ("smallest", sizes.min()) if how == "smaller" else ("largest", sizes.max())
        if len(group) == 1:
            message = f"1 segment ({worst:,.4g} {unit}) {how} than {limit}"
        else:
            message = f"{len(group):,} segments {how} than {limit}, the {superlative} {worst:,.4g} {unit}"
        message += quote_guideline(tables.profile.taxonomy, category.id, "definition")
        yield segments_finding(tables, message, rows[group])
