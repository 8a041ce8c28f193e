"""SEG301 class-imbalance: a few categories make up nearly all of the data."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from segdata.core.finding import Found
from segdata.core.rule import Tables, rule


@rule("SEG301", "class-imbalance", severity="warning", needs=())
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
    segments = tables.segments[~tables.segments["category_id"].isin(tables.profile.taxonomy.void_ids)]
    single = segments[~segments["iscrowd"]]
    counts = {
        "pixels": segments.groupby("category_id")["area"].sum(),
        "segments": single.groupby("category_id").size(),
        "images": segments.groupby("category_id")["image"].nunique(),
    }
    for measure, count in counts.items():
        count = count[count > 0].sort_values(kind="stable")
        if len(count) < 2:
            continue
        effective, ratio = _effective(count), count.iloc[-1] / count.iloc[0]
        limit = max_pixel_ratio if measure == "pixels" else max_ratio
        if ratio > limit or effective < min_effective * len(count):
            least, most = (tables.profile.taxonomy.name_of(count.index[end]) for end in (0, -1))
            message = (
                f"by {measure}, {len(count)} categories are worth {effective:.1f} equal ones; "
                f"{most!r} has {count.iloc[-1]:,}, {least!r} {count.iloc[0]:,} ({ratio:,.0f} to 1)"
            )
            yield Found(message, category=least)


def _effective(count: "pd.Series[int]") -> float:
    """The effective number of categories: exp of the entropy of their shares."""
    share = (count / count.sum()).to_numpy()
    return float(np.exp(-(share * np.log(share)).sum()))
