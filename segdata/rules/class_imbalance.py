"""SEG301 class-imbalance: a few categories make up nearly all of the data."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints, unique_inverse
from segdata.core.statistics import class_weights, effective_number
from segdata.core.strata import CategoryTally, annotation_strata, is_example, number_names
from segdata.core.table import Table


@rule("SEG301", "class-imbalance", severity="warning", needs=(), whole=True)
def class_imbalance(
    tables: Tables, *, max_ratio: float = 100.0, max_pixel_ratio: float = 10_000.0, min_effective: float = 0.2
) -> Findings:
    """Categories have very unequal sizes, by pixels, segments or images.

    Flagged (max_pixel_ratio=10.0):
        aaaaaaaaaaaaaab

    Flagged (max_ratio=3.0):
        a.c.d.e.bb
        a.c.d.e.bb

        a, c, d, e: car
        b: bus

    Fine (max_pixel_ratio=10.0):
        aaaaaabbbbbbbbb

    You get one finding for each of the three measures beyond a limit and, with `by: COLUMN` in the configuration, also
    for each stratum of that column. The effective number of categories is the exponential of the entropy of their
    shares: 5 categories of equal size count as 5, and as hardly more than 1 if one of them has everything (Hill, 1973,
    Ecology 54(2), 427-432, order 1). Void is left out, crowds are not counted as segments, and a single category is not
    judged. The finding names the categories that are rarer than the limit allows and proposes weights for the loss,
    inverse square roots of the counts with a mean of 1 (Mahajan and others, 2018, ECCV, 181-196). `segdata info
    --format json` has the weights of all categories.

    Why: your model gains more from never predicting a rare category than from learning it, and overall accuracy hides
    that.

    Remedy: collect or sample more of the rare categories, weight the loss, merge categories that you need not tell
    apart, and report metrics by category.

    Options: `max_ratio`: the largest category over the smallest, by segments and by images. `max_pixel_ratio`: the same
    by pixels, where a bus is larger than a ball by nature. `min_effective`: the least effective number as a share of
    the categories in use.
    Defaults: 100 is where long-tailed benchmarks begin (Cui and others, 2019, CVPR, 9268-9277: 10 to 200); 10 000 in
    pixels allows as much again for size. By segments and images COCO's subset of 50 images has 96 and 26 to 1, CamVid
    (40 images, 11 categories) 2 to 1, TACO's long tail 667 and 310. By pixels 11 of 15 public sets exceed 100, three 10
    000. The least effective share among those that people annotated is 0.25.
    """
    limits = {"pixels": max_pixel_ratio, "segments": max_ratio, "images": max_ratio}
    segments, by = is_example(tables), tables.profile.by
    yield from _findings(tables, segments, limits, min_effective, "")
    if by is not None:
        stratum_names, stratum = number_names(annotation_strata(tables, by)[tables.segments["annotation"]])
        for number, name in enumerate(stratum_names):
            yield from _findings(tables, segments & (stratum == number), limits, min_effective, f" in {by} {name!r},")


def _findings(tables: Tables, chosen: Flags, limits: dict[str, float], min_effective: float, place: str) -> Findings:
    """One finding for each measure of the chosen segments beyond its limit; `place` names those segments."""
    category, counts = _counts(tables, chosen)
    for measure, count in counts.items():
        order = np.argsort(count, kind="stable")
        order = order[count[order] > 0]
        if len(order) < 2:
            continue
        smallest, largest = int(count[order[0]]), int(count[order[-1]])
        effective, ratio = effective_number(count), largest / smallest
        if ratio > limits[measure] or effective < min_effective * len(order):
            rarest, most_frequent = (tables.profile.name_of(int(category[order[end]])) for end in (0, -1))
            advice = _advice(tables, category, count, order[count[order] < largest / limits[measure]])
            message = (
                f"by {measure},{place} {len(order)} categories count as {effective:.1f} equal ones; "
                f"{most_frequent!r} has {largest:,}, {rarest!r} {smallest:,} ({ratio:,.0f} to 1){advice}"
            )
            yield RowFinding(message, category=rarest)


def _counts(tables: Tables, chosen: Flags) -> tuple[Ints, dict[str, Ints]]:
    """The categories of some segments (k,), and for each measure their counts (k,)."""
    segments = Table({name: tables.segments[name][chosen] for name in ("image", "category_id", "area", "iscrowd")})
    tally = CategoryTally.of(segments, segments["image"])
    category, tally_category = unique_inverse(tally.category)
    segment_categories, owner = unique_inverse(segments["category_id"])
    return category, {
        "pixels": np.bincount(tally_category, weights=tally.pixels, minlength=len(category)).astype(np.int64),
        "segments": np.bincount(owner[~segments["iscrowd"]], minlength=len(segment_categories)),
        "images": np.bincount(tally_category, minlength=len(category)),
    }


def _advice(tables: Tables, category: Ints, count: Ints, rare: Ints) -> str:
    """The rarest categories, and weights that would balance them and the most frequent one."""
    rarest = rare[:3] if len(rare) else np.argsort(np.where(count > 0, count, np.iinfo(np.int64).max))[:1]
    weight = class_weights(count)
    shown = [*rarest.tolist(), int(np.argmax(count))]
    listed = ", ".join(f"{tables.profile.name_of(int(category[place]))} {weight[place]:.2g}" for place in shown)
    n_beyond = f"; {len(rare)} beyond the limit" if len(rare) > 1 else ""
    return f"{n_beyond}; suggested weights: {listed}"
