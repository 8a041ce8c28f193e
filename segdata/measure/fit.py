"""Fit: whether the task of a dataset fits what was drawn."""

from collections.abc import Iterator

import numpy as np

from segdata.core.rule import Tables
from segdata.core.tallies import examples, joint

_LEAST = 30  # parts, or images, below which nothing is said
_LARGE = 2.5  # times the median part
_SHARE = 0.2  # of a category's pixels in parts so large
_LEAST_PIXELS = 16  # of a part that is a thing


def advice(tables: Tables) -> Iterator[str]:
    """What a person may want to change, a sentence each. In semantic data it needs the family `parts`."""
    yield from _blobs(tables) if tables.profile.task == "semantic" else _single(tables)


def _blobs(tables: Tables) -> Iterator[str]:
    """Semantic data in which regions of a thing are as large as several of it.

    Sizes must be alike but for those: of things that are near and far, such as cars, nothing can be said.
    """
    parts, segments = tables.parts, tables.segments
    things = {each.id: each.name for each in tables.profile.taxonomy.categories if each.kind == "thing"}
    category = segments["category_id"][parts["segment"]]
    for id_, name in things.items():
        area = np.sort(parts["area"][(category == id_) & (parts["area"] >= _LEAST_PIXELS)]).astype(np.float64)
        if len(area) < _LEAST:
            continue
        median = float(np.median(area))
        quartiles = np.quantile(np.log(area), (0.25, 0.75))
        large = area > _LARGE * median
        if quartiles[1] - quartiles[0] < np.log(_LARGE) and area[large].sum() >= _SHARE * area.sum():
            yield (
                f"{area[large].sum() / area.sum():.0%} of the pixels of {name!r} are in {int(large.sum()):,} regions "
                f"more than {_LARGE:g} times as large as the median of {median:,.0f} px: if they are several that "
                "touch, semantic labels cannot count them; label instances (COCO, instance ids)"
            )


def _single(tables: Tables) -> Iterator[str]:
    """Instance data in which no image has two instances of any thing."""
    rows = examples(tables, crowds=False)
    kinds = {each.id for each in tables.profile.taxonomy.categories if each.kind == "thing"}
    things = rows.take(np.isin(rows["category_id"], sorted(kinds)))
    images = len(np.unique(things["image"]))
    if images < _LEAST:
        return
    which, _ = joint(things["annotation"], things["category_id"])
    if np.bincount(which).max() == 1:
        yield (
            f"no image has two instances of one category ({images:,} images with things): semantic labels say the "
            "same, and are cheaper to draw; or the annotators joined instances"
        )
