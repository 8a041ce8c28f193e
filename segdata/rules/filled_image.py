"""SEG129 filled-image: every segment fills its image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, medians, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import joint_codes
from segdata.rules.shared import image_names

_MIN_MIXED_SHARE = 0.9  # of images with several categories


@rule("SEG129", "filled-image", severity="warning", needs=(), whole=True, by_part=True)
def filled_image(
    tables: Tables,
    *,
    min_segments: int = 2,
    min_layers: int = 5,
    min_images: int = 10,
    min_categories: int = 3,
    max_share: float = 0.02,
) -> Findings:
    """Every segment of the dataset, or of a category whose segments may overlap others, is its whole image.

    Flagged:
        aaa
        aaa

        bbb
        bbb

    Fine, one of them has a shape:
        aaa
        aaa

        bb.
        bbb

    Fine, one image tells nothing:
        aaa
        aaa

    You get one finding for the dataset, or one for each category if only some are filled. A category counts only if
    segments may overlap: where each pixel has one category, a tile of water is nothing but water. There, a single image
    that one category fills is an info if nearly all others have several.

    Why: the masks were read from the wrong place. Their shapes may be in the alpha channel and the colour is the same
    everywhere, the background may have the value of the foreground, or a blank file was exported. Your model learns
    that everything is one thing.

    Remedy: look at one of the files in an image viewer. For layers, save the shape as black and white; for masks, give
    the values their categories in taxonomy.yaml.

    Options: `min_segments`: fewer segments in the dataset tell nothing. `min_layers`: fewer segments of a category tell
    nothing. `min_images`, `min_categories`: a single image is judged beside so many others, nine in ten of which have
    so many categories; `max_share`: the largest share of images that one category may fill (one always).
    Defaults: of 30 real datasets two have segments that fill their image, one each (test files of DICOM and VOC).
    """
    segments, images = tables.segments, tables.images
    frame = (images["width"] * images["height"])[segments["image"]]
    void = [category.id for category in tables.profile.taxonomy.categories if category.kind == "void"]
    judged = ~np.isin(segments["category_id"], void) & (frame > 0)
    full = judged & (segments["area"] == frame)
    rows = np.flatnonzero(judged)
    category, is_full, area = segments["category_id"][rows], full[rows], segments["area"][rows]
    amounts = {"n": np.ones(len(rows), np.int64), "full": is_full, "pixels": area}
    sums = sum_by(tables, {"category": category}, amounts)
    n, n_full = int(sums["n"].sum()), int(sums["full"].sum())
    n_images = total(tables, images=int(np.count_nonzero(np.bincount(segments["image"][rows]))))["images"]
    all_full = n >= min_segments and n_images > 1 and n_full == n
    if tables.profile.overlap.value == "forbid" and not all_full:
        yield from _single(tables, rows[is_full], min_images, min_categories, max_share)
        return
    layers = sums.take(all_full | (sums["n"] >= min_layers) & (sums["full"] == sums["n"]))
    members = np.flatnonzero(np.isin(category, layers["category"]))
    own, annotation = category[members], segments["annotation"][rows[members]]
    _, first = joint_codes(own, annotation)
    whole, places = gather(
        tables, {"category": own[first], "annotation": annotation[first]}, {"annotation": "annotations"}
    )
    if all_full:
        yield _filled_finding(whole, n, int(sums["pixels"].sum()), places["annotation"], None)
        return
    for id_, n, pixels in layers.lines("category", "n", "pixels"):
        drawn_on = places["annotation"][places["category"] == id_]
        yield _filled_finding(whole, n, pixels, drawn_on, tables.profile.name_of(id_))


def _single(tables: Tables, full: Ints, min_images: int, min_categories: int, max_share: float) -> Findings:
    """Single images that one category fills, among others that have several."""
    segments = tables.segments
    sums = total(tables, images=len(tables.annotations), full=len(full))
    if sums["images"] < min_images or not 0 < sums["full"] <= max(1, max_share * sums["images"]):
        return
    some = segments["area"] > 0
    _, first = joint_codes(segments["annotation"][some], segments["category_id"][some])
    counts = np.bincount(segments["annotation"][some][first], minlength=len(tables.annotations))
    others = np.delete(counts, np.unique(segments["annotation"][full]))
    by_count = sum_by(tables, {"count": others}, {"n": np.ones(len(others), np.int64)})
    several = by_count["n"][by_count["count"] >= min_categories].sum()
    if several / max(by_count["n"].sum(), 1) < _MIN_MIXED_SHARE:
        return
    usual = medians(tables, others.astype(np.float64), np.zeros(len(others), np.int64))["median"][0]
    for row in full.tolist():
        name = tables.category_name(row)
        message = f"{name} fills the image; the others have {usual:.0f} categories (median)"
        yield RowFinding(message, segments=(row,), pixels=int(segments["area"][row]), category=name, severity="info")


def _filled_finding(tables: Tables, n: int, pixels: int, annotations: Ints, category: str | None) -> RowFinding:
    what = f"all {count_noun(n, 'segment')}" + ("" if category is None else f" of {category!r}")
    message = f"{what} fill their images ({image_names(tables, annotations)}): is the mask in another channel?"
    return RowFinding(message, pixels=pixels, category=category)
