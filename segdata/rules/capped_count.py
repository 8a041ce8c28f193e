"""SEG316 capped-count: no image has more than a certain number of objects, and many have just that."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import is_example, number_names
from segdata.core.table import Table
from segdata.rules.shared import is_thing

_MIN_LIMIT = 31  # 2 ** 5 - 1: smaller limits are also usual numbers of things
_MIN_IMAGES = 4  # that reach the limit
_MIN_STRETCHED = 8  # the lowest id of images whose ids were stretched
_MIN_LAST, _MIN_PARTS = 5, 3  # the id that a tool counts no further than, and the parts of its segment
_MIN_LAST_SHARE = 0.8  # of the images that have this id, where its segment is in so many parts
_MAX_DIVIDED = 0.1  # share of the other segments that are in parts
_MIN_NUMBERED, _MIN_THINGS = 8, 20  # images and things of which all have the number 0
_THOUSAND = 1000  # class * 1000 + number of the thing, as in Cityscapes and MOTS


@rule(
    "SEG316",
    "capped-count",
    severity="warning",
    needs=("shapes",),
    tasks=("instance", "panoptic"),
    whole=True,
    by_part=True,
)
def capped_count(
    tables: Tables, *, min_images: int = 20, min_count: int = 5, min_share: float = 0.1, min_ratio: float = 4.0
) -> Findings:
    """No image has more than a certain number of objects, or a higher id, and many have just that.

    Example:
        35 of 40 images have 100 objects, and none has more: a limit of an export or a page?

    The rule counts the things of each image, by annotator. If nothing limits the counts, few images have the largest
    one, and about as few the counts just below it. Many images with the very largest count, and few just below it, show
    that a limit has cut the rest off. Datasets in which nearly all images have the same number of objects are not
    judged.

    The rule also looks at the highest id of each image of masks. If it is 31, 63, 127, 255 … in several images, and
    higher in none, ids were cut to a few bits, and objects share them; or, if these images have no low ids, they were
    stretched. If the segment of the highest id is in three parts or more in most images that have this id, and other
    segments are whole, a tool counted no further. If ids are 1000 times their class in all images of several classes
    (24000, 26000), every thing has the number 0, so that those of a class are one.

    Why: an interface that returns a page of 100 annotations, or a model that keeps its 100 best, loses the rest
    silently, and always in the most crowded images.

    Remedy: export again without the limit, or page by page; with more bits if ids were cut.

    Options: `min_images`: the least number of images. `min_count`: the least limit. `min_share`: the least share of
    images that reach it, and of those that have fewer. `min_ratio`: how many times as many images reach it as have each
    of the three counts below, on average.
    Defaults: in 41 openings of public datasets nothing is flagged. COCO cut to 5 objects an image is, and GBM40 to 100.
    """
    rows = np.flatnonzero(is_example(tables, crowds=False) & is_thing(tables))
    tables, images = gather(tables, _images(tables, rows))
    names, annotator = number_names(tables.annotations.texts("annotator"))
    are_values = tables.profile.raster_rule == "mask-native"  # of pixels; polygons are numbered line by line in YOLO
    for number in np.unique(annotator).tolist():
        mine, name = annotator == number, names[number] if number >= 0 else None
        messages = [_cap_message(images["counts"][mine], min_images, min_count, min_share, min_ratio)]
        if are_values:
            own = images.take(mine)
            cut_ids = _cut_ids(own["highest"], own["lowest"], min_share)
            messages = [cut_ids or _last_id(own, min_share), _no_numbers(own), *messages]
        yield from (RowFinding(message, annotator=name) for message in messages if message is not None)


def _images(tables: Tables, rows: Ints) -> dict[str, Ints]:
    """Columns of annotations about their things (rows): how many, their ids, and in how many parts they are."""
    things = tables.segments.take(rows)
    owner, ids, n = things["annotation"], things["segment_id"].astype(np.int64), len(tables.annotations)
    highest, lowest = np.zeros(n, np.int64), np.full(n, np.iinfo(np.int64).max)
    np.maximum.at(highest, owner, ids)
    np.minimum.at(lowest, owner, ids)
    is_last = ids == highest[owner]
    counted = {
        "counts": np.ones(len(rows), np.int64),
        "parts": np.where(is_last, things["parts"], 0),
        "divided": ~is_last & (things["parts"] > 1),
        "unnumbered": (ids >= _THOUSAND) & (ids % _THOUSAND == 0),
    }
    sums = {name: np.bincount(owner, weights, n).astype(np.int64) for name, weights in counted.items()}
    return {"highest": highest, "lowest": lowest} | sums


def _last_id(images: Table, min_share: float) -> str | None:
    """The message that a tool counted no further than to one id, whose segment is in parts; None: it did not."""
    limit = int(images["highest"].max(initial=0))
    reach = images.take(images["highest"] == limit)
    n, others = len(reach), int(reach["counts"].sum()) - len(reach)
    if limit < _MIN_LAST or n < max(_MIN_IMAGES, min_share * len(images)):
        return None
    in_parts = int((reach["parts"] >= _MIN_PARTS).sum())
    if in_parts < _MIN_LAST_SHARE * n or int(reach["divided"].sum()) > _MAX_DIVIDED * others:
        return None
    return (
        f"segment {limit} is in {_MIN_PARTS} parts or more in {in_parts:,} of {n:,} images that have it, none has a "
        "higher id, and other segments are whole: objects that a tool counted no further?"
    )


def _no_numbers(images: Table) -> str | None:
    """The message that all things have the number 0, as class * 1000 says; None: they have others, or are few."""
    things = images.take(images["counts"] > 0)
    n, n_classes = int(things["counts"].sum()), int((things["highest"] != things["lowest"]).sum())
    if (
        len(things) < _MIN_NUMBERED
        or n < _MIN_THINGS
        or not n_classes
        or (things["unnumbered"] < things["counts"]).any()
    ):
        return None
    return (
        f"all {n:,} segments of things have the number 0, as {int(things['highest'].max())}: those of a class are one "
        "in each image; number them, class * 1000 + 1, 2, ..."
    )


def _cut_ids(highest: Ints, lowest: Ints, min_share: float) -> str | None:
    """The message that ids were cut to some bits, or stretched to them, by the ids of each image (n,); None: neither.

    Ids that were stretched have no low ones.
    """
    limit, n = int(highest.max(initial=0)), len(highest)
    reach = int((highest == limit).sum())
    if limit < _MIN_LIMIT or limit & (limit + 1) or reach < max(_MIN_IMAGES, min_share * n):
        return None
    is_stretched = lowest[highest == limit].min() >= _MIN_STRETCHED
    cause = "stretched over" if is_stretched else "cut to"
    share = "as a viewer shows them" if is_stretched else "so that several objects share one"
    return (
        f"{reach:,} of {n:,} images use ids up to {limit:,}, and none a higher one: ids that were {cause} "
        f"{limit.bit_length()} bits, {share}?"
    )


def _cap_message(counts: Ints, min_images: int, min_count: int, min_share: float, min_ratio: float) -> str | None:
    """The message that a limit has cut objects off, by the number of objects of each image (n,); None: none has."""
    most, n = int(counts.max(initial=0)), len(counts)
    reach, near = int((counts == most).sum()), int(((counts < most) & (counts >= most - 3)).sum())
    fewer = counts[(counts < most) & (counts > 0)]
    if n < min_images or most < min_count or len(np.unique(fewer)) < 3:
        return None
    least = max(_MIN_IMAGES, min_share * n)
    if reach < max(least, min_ratio * (near / 3 + 1)) or len(fewer) < least:
        return None
    return f"{reach:,} of {n:,} images have {most:,} objects, and none has more: a limit of an export or a page?"
