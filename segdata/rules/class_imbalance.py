"""SEG301 class-imbalance: a few categories make up nearly all of the data."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule
from segdata.core.runs import Ints


@rule("SEG301", "class-imbalance", severity="warning", needs=(), whole=True)
def class_imbalance(
    tables: Tables, *, max_ratio: float = 100.0, max_pixel_ratio: float = 10_000.0, min_effective: float = 0.2
) -> Iterator[Found]:
    """Categories of very unequal size, by pixels, segments, and images.

    Flagged (max_pixel_ratio=10.0):
        aaaaaaaaaaaaaab

    Flagged (max_ratio=3.0):
        a.c.d.e.bb
        a.c.d.e.bb

        a, c, d, e: car
        b: bus

    Fine (max_pixel_ratio=10.0):
        aaaaaabbbbbbbbb

    One finding for each of the three measures beyond a limit. The effective number of categories is the exponential
    of the entropy of their shares: 5 categories of equal size count as 5, and as hardly more than 1 if one of them
    is everything (Hill, 1973, Ecology 54(2), 427-432, order 1). Void is left out, crowds are no segments, and a
    single category has nobody to be compared with.

    Why: a model gains more by never predicting a rare category than by learning it, and overall accuracy does not
    show that.

    Remedy: collect or sample more of the rare categories, weight the loss, or report metrics by category.

    Options: max_ratio, the largest category over the smallest, by segments and by images. max_pixel_ratio, by pixels,
    where a bus is larger than a ball by nature. min_effective, the least effective number as a share of the
    categories in use.
    Defaults: 100 is where long-tailed benchmarks begin (Cui and others, 2019, CVPR, 9268-9277: 10 to 200); 10 000 in
    pixels is as much again for size. By segments and images COCO's subset of 50 images has 96 and 26 to 1, CamVid (40
    images, 11 categories) 2 to 1, TACO's long tail 667 and 310. By pixels 11 of 15 public sets exceed 100, three
    10 000. The least effective share among those that people annotated is 0.25.
    """
    segments = tables.segments.take(~np.isin(tables.segments["category_id"], tables.profile.taxonomy.void_ids))
    category, which = np.unique(segments["category_id"], return_inverse=True)
    per_image = np.unique(np.stack([which, segments["image"]]), axis=1)[0]
    counts = {
        "pixels": np.bincount(which, weights=segments["area"], minlength=len(category)).astype(np.int64),
        "segments": np.bincount(which[~segments["iscrowd"]], minlength=len(category)),
        "images": np.bincount(per_image, minlength=len(category)),
    }
    for measure, count in counts.items():
        order = np.argsort(count, kind="stable")
        order = order[count[order] > 0]
        if len(order) < 2:
            continue
        smallest, largest = int(count[order[0]]), int(count[order[-1]])
        effective, ratio = _effective(count[order]), largest / smallest
        limit = max_pixel_ratio if measure == "pixels" else max_ratio
        if ratio > limit or effective < min_effective * len(order):
            least, most = (tables.profile.taxonomy.name_of(int(category[order[end]])) for end in (0, -1))
            message = (
                f"by {measure}, {len(order)} categories are worth {effective:.1f} equal ones; "
                f"{most!r} has {largest:,}, {least!r} {smallest:,} ({ratio:,.0f} to 1)"
            )
            yield Found(message, category=least)


def _effective(count: Ints) -> float:
    """The effective number of categories: exp of the entropy of their shares."""
    share = count / count.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
