"""SEG129 filled-image: every segment fills its image."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.rules.shared import image_names


@rule("SEG129", "filled-image", severity="warning", needs=(), whole=True)
def filled_image(tables: Tables, *, min_segments: int = 2, min_layers: int = 5) -> Findings:
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
    segments may overlap: where each pixel has one category, a tile of water is nothing but water.

    Why: the masks were read from the wrong place. Their shapes may be in the alpha channel and the colour is the same
    everywhere, the background may have the value of the foreground, or a blank file was exported. Your model learns
    that everything is one thing.

    Remedy: look at one of the files in an image viewer. For layers, save the shape as black and white; for masks, give
    the values their categories in taxonomy.yaml.

    Options: `min_segments`: fewer segments in the dataset tell nothing. `min_layers`: fewer segments of a category tell
    nothing.
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
        return
    for members in segments.take(judged).groups("category_id"):
        of_category = rows[members]
        if len(of_category) >= min_layers and full[of_category].all():
            name = tables.profile.name_of(int(segments["category_id"][of_category[0]]))
            yield _filled(tables, of_category, name)


def _filled(tables: Tables, rows: Ints, category: str | None) -> RowFinding:
    annotations = tables.segments["annotation"][rows]
    what = f"all {count_noun(len(rows), 'segment')}" + ("" if category is None else f" of {category!r}")
    message = f"{what} fill their images ({image_names(tables, annotations)}): is the mask in another channel?"
    return RowFinding(message, pixels=int(tables.segments["area"][rows].sum()), category=category)
