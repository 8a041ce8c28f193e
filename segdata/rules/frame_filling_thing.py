"""SEG117 frame-filling-thing: a thing is as large as its image."""

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import joint_codes

_MAX_CROP_PIXELS = 64 * 64  # of an image that may be a crop of one thing


@rule(
    "SEG117",
    "frame-filling-thing",
    severity="warning",
    needs=(),
    tasks=("instance", "panoptic"),
    habit="image",
    opt_in=True,
    by_part=True,
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
    rows = np.flatnonzero(is_thing)
    category, is_full = segments["category_id"][rows], filling[rows]
    image, first = joint_codes(category, segments["image"][rows])  # of each category
    full_images = np.bincount(image, is_full, len(first)) > 0
    sums = sum_by(tables, {"category": category[first]}, {"images": np.ones(len(first), np.int64), "full": full_images})
    close_ups = sums["category"][(sums["full"] >= 5) & (sums["full"] > 0.1 * sums["images"])]
    for segment in rows[is_full & ~np.isin(category, close_ups)].tolist():
        area, frame_area = int(segments["area"][segment]), int(frame[segment])
        message = f"a thing of {area:,} px, {area / frame_area:.1%} of the image; the limit is {max_share:.0%}"
        severity: Severity | None = "info" if frame_area < _MAX_CROP_PIXELS else None
        yield RowFinding(message, segments=(segment,), pixels=area, severity=severity)
