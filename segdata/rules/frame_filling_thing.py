"""SEG117 frame-filling-thing: a thing is as large as its image."""

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.rule import Findings, Tables, rule

_SMALL = 64 * 64  # pixels of an image that may well be a crop of one thing


@rule(
    "SEG117",
    "frame-filling-thing",
    severity="warning",
    needs=(),
    tasks=("instance", "panoptic"),
    habit="image",
    opt_in=True,
)
def frame_filling_thing(tables: Tables, *, max_share: float = 0.95) -> Findings:
    """A thing covers almost the whole frame.

    Flagged:
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaa.

    Fine, it leaves some room:
        .aaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaa...

    Fine, it is stuff:
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaaa
        aaaaaaaaaaaaaaaaaaa.

        category: sky (stuff)
        a: sky

    You get one finding for each segment. The rule ignores crowds, stuff and void, and categories in which at least five
    images and more than one in ten are filled: those are close-ups.

    Why: mostly the mask was inverted, or the background has an object's category. Your model learns from it that
    everything is one thing.

    Remedy: look at it; draw the thing, or give the background its own category.

    Options: `max_share`: the largest share of the image's pixels.
    Defaults: the largest thing covers 85 % of its image in COCO (50 images, a dining table), 91 % in TACO (1500 images,
    a carton), 55 % in LabelMe's examples. Two slices of a test file of 16 x 16 px (highdicom) are flagged, of which a
    thing covers 256 and 255 px. In images this small, below 64 x 64 px, a finding is an info.
    """
    segments, images = tables.segments, tables.images
    taxonomy = tables.profile.taxonomy
    other_ids = [category.id for category in taxonomy.categories if category.kind != "thing"]
    is_thing = ~segments["iscrowd"] & ~np.isin(segments["category_id"], other_ids)
    frame = (images["width"] * images["height"])[segments["image"]]
    filling = is_thing & (frame > 0) & (segments["area"] > max_share * frame)
    full = segments.take(filling)
    if len(full) == 0:
        return
    row = np.flatnonzero(filling)
    for members in full.groups("category_id"):
        image = np.unique(full["image"][members])
        of_category = is_thing & (segments["category_id"] == full["category_id"][members[0]])
        if len(image) >= 5 and len(image) > 0.1 * len(np.unique(segments["image"][of_category])):
            continue
        for segment in row[members].tolist():
            area, frame_area = int(segments["area"][segment]), int(frame[segment])
            message = f"a thing of {area:,} px, {area / frame_area:.1%} of the image; the limit is {max_share:.0%}"
            severity: Severity | None = "info" if frame_area < _SMALL else None
            yield RowFinding(message, segments=(segment,), pixels=area, severity=severity)
