"""SEG301 class-imbalance: a few categories make up nearly all of the data."""

import numpy as np
import pyarrow as pa

from segdata.core.finding import RowFinding
from segdata.core.reductions import leading, name_keys, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.statistics import class_weights, effective_number
from segdata.core.strata import annotation_strata, annotation_strata_if_any, is_example, joint_codes, number_names
from segdata.core.table import Table
from segdata.rules.shared import improper_categories


@rule("SEG301", "class-imbalance", severity="warning", needs=(), whole=True, by_part=True)
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
    by = tables.profile.by
    examples = np.flatnonzero(is_example(tables))
    segments = Table({name: tables.segments[name][examples] for name in ("image", "category_id", "area", "iscrowd")})
    stratum = np.zeros(len(examples), np.int64)
    every = _counts(tables, segments, stratum)
    if by is not None:
        names = annotation_strata_if_any(tables, by)
        stratum = name_keys(pa.array(names, pa.string()))[tables.segments["annotation"][examples]]
        of_stratum = _counts(tables, segments, stratum)
    whole = leading(tables)
    if whole is None:
        return
    improper = improper_categories(tables.profile, every["category"], every["segments"])
    every = every.take(~np.isin(every["category"], improper))
    yield from _findings(tables, every, limits, min_effective, "")
    if by is not None:
        strata = number_names(annotation_strata(whole, by))[0]
        for name, key in zip(strata, name_keys(pa.array(strata, pa.string())).tolist(), strict=True):
            own = of_stratum.take(of_stratum["stratum"] == key)
            yield from _findings(tables, own, limits, min_effective, f" in {by} {name!r},")


def _findings(tables: Tables, counts: Table, limits: dict[str, float], min_effective: float, place: str) -> Findings:
    """One finding for each measure of some segments beyond its limit; `place` names those segments."""
    category = counts["category"]
    for measure, limit in limits.items():
        count = counts[measure]
        order = np.argsort(count, kind="stable")
        order = order[count[order] > 0]
        if len(order) < 2:
            continue
        smallest, largest = int(count[order[0]]), int(count[order[-1]])
        effective, ratio = effective_number(count), largest / smallest
        if ratio > limit or effective < min_effective * len(order):
            rarest, most_frequent = (tables.profile.name_of(int(category[order[end]])) for end in (0, -1))
            advice = _advice(tables, category, count, order[count[order] * limit < largest])
            message = (
                f"by {measure},{place} the effective number of {len(order)} categories is {effective:.1f}; "
                f"{most_frequent!r} has {largest:,}, {rarest!r} {smallest:,} ({ratio:,.0f} to 1){advice}"
            )
            yield RowFinding(message, category=rarest)


def _counts(tables: Tables, segments: Table, stratum: Ints) -> Table:
    """The columns stratum, category, pixels, segments (without crowds) and images, by the first two."""
    _, first = joint_codes(stratum, segments["category_id"], segments["image"])
    is_first = np.zeros(len(stratum), bool)
    is_first[first] = True
    sums = {"pixels": segments["area"], "segments": ~segments["iscrowd"], "images": is_first}
    return sum_by(tables, {"stratum": stratum, "category": segments["category_id"]}, sums)


def _advice(tables: Tables, category: Ints, count: Ints, rare: Ints) -> str:
    """The rarest categories, and weights that would balance them and the most frequent one."""
    most = np.iinfo(np.int64).max
    rarest = rare[:3] if len(rare) else np.argsort(np.where(count > 0, count, most), kind="stable")[:1]
    weight = class_weights(count)
    shown = [*rarest.tolist(), int(np.argmax(count))]
    listed = ", ".join(f"{tables.profile.name_of(int(category[place]))} {weight[place]:.2g}" for place in shown)
    n_beyond = f"; {len(rare)} beyond the limit" if len(rare) > 1 else ""
    return f"{n_beyond}; suggested weights: {listed}"
