"""SEG129 filled-image: every segment fills its image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import joint_codes
from segdata.rules.shared import image_names

_MOST_OTHERS = 0.9  # of the images have several categories


@rule("SEG129", "filled-image", severity="warning", needs=(), whole=True)
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
    that one category fills is reported if nearly all others have several.

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
    if len(rows) >= min_segments and len(np.unique(segments["image"][rows])) > 1 and full[rows].all():
        yield _filled(tables, rows, None)
        return
    if tables.profile.overlap.value == "forbid":
        yield from _single(tables, np.flatnonzero(full), min_images, min_categories, max_share)
        return
    for members in segments.take(judged).groups("category_id"):
        of_category = rows[members]
        if len(of_category) >= min_layers and full[of_category].all():
            name = tables.profile.name_of(int(segments["category_id"][of_category[0]]))
            yield _filled(tables, of_category, name)


def _single(tables: Tables, full: Ints, min_images: int, min_categories: int, max_share: float) -> Findings:
    """Single images that one category fills, among others that have several."""
    segments, n = tables.segments, len(tables.annotations)
    if n < min_images or not 0 < len(full) <= max(1, max_share * n):
        return
    some = segments["area"] > 0
    _, first = joint_codes(segments["annotation"][some], segments["category_id"][some])
    counts = np.bincount(segments["annotation"][some][first], minlength=n)
    others = np.delete(counts, np.unique(segments["annotation"][full]))
    if np.mean(others >= min_categories) < _MOST_OTHERS:
        return
    for row in full.tolist():
        name = tables.profile.name_of(int(segments["category_id"][row]))
        message = f"{name} fills the image; the others have {np.median(others):.0f} categories (median)"
        yield RowFinding(message, segments=(row,), pixels=int(segments["area"][row]), category=name)


def _filled(tables: Tables, rows: Ints, category: str | None) -> RowFinding:
    annotations = tables.segments["annotation"][rows]
    what = f"all {count_noun(len(rows), 'segment')}" + ("" if category is None else f" of {category!r}")
    message = f"{what} fill their images ({image_names(tables, annotations)}): is the mask in another channel?"
    return RowFinding(message, pixels=int(tables.segments["area"][rows].sum()), category=category)
