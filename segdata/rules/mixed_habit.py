"""SEG319 mixed-habit: some images are labelled in another way than the others, as counts of a feature tell."""

import numpy as np
import pyarrow as pa

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather_each, leading, name_keys, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints, unique_inverse
from segdata.core.strata import image_splits, independent_units, is_example, joint_codes, number_names
from segdata.core.table import Column, Table
from segdata.rules.shared import image_names, is_thing, separating_column

_MIN_POINTS = 8  # of an outline: those with fewer are often convex
_LEAST_SHARE = 0.5  # of `min_expected`: images of which fewer are expected tell nothing
_LOW = 0.1  # quantile of images that have something: how few of it an image may have by itself
_BETWEEN = 0.5  # of what an image would have by its categories: fewer are neither all nor nothing
_TRUTHS = {"true": 1, "yes": 1, "1": 1, "false": 0, "no": 0, "0": 0}
_MOST_WHOLE = 0.5  # of the images in which an attribute is true: those in which it is so for all segments
_MAX_CHANCE = 1e-4  # of as many images at one end of a dataset by chance
_MOST_VOID = 0.9  # of the annotations of the other splits: those that have void
_NARROW = 5  # pixels of the shorter side of a part's box: less is lost where masks are smoothed or filtered
_FEATURES = {  # of segments: what none has, and what many others have
    "dents": ("all {n} outlines are convex, as those of hulls, ellipses and boxes", "are not"),
    "cuts": ("none of {n} objects reaches the border of its image", "do"),
    "parts": ("none of {n} segments has a second part", "do"),
    "holes": ("none of {n} segments has a hole", "do"),
    "slivers": (f"none of {{n}} segments has a part narrower than {_NARROW} px", "do"),
}


@rule(
    "SEG319",
    "mixed-habit",
    severity="info",
    needs=("outlines", "shapes", "parts", "spellings"),
    whole=True,
    by_part=True,
)
def mixed_habit(
    tables: Tables, *, min_images: int = 5, min_expected: float = 6.0, max_between: float = 0.2
) -> Findings:
    """No segment of some images has what many have in the others.

    Example:
        in 20 of 40 images (b.png, d.png, f.png, …) none of 2,080 objects reaches the border of its image; 214 of 2,490
            in the others do

    Five things are counted in each image: outlines of eight points or more that are not convex, objects that touch the
    image's border, and segments with several parts, with holes, and with parts narrower than 5 pixels. From the shares
    that the categories have in the images with some, the rule expects a number for each other image; it then takes the
    tenth of them that have fewest as the measure. An image counts if half of `min_expected` or more are expected by
    that measure and none is there. You get one finding if there are `min_images` of these, as many of the others, and
    `min_expected` a time are expected of `min_images`, and if few images have some, but less than half of what is
    expected: then the scene is not the cause. Images of one sequence or group count as one. If annotators, folders or
    months go with it, the finding says so.

    Attributes that are true or false are judged likewise, each by itself: if it is never true in some images, although
    others, which have both values, let expect it, nobody set it there. For a quarter of all images or more, at one end
    of the dataset, it is enough that chance leaves them out once in 10,000 datasets.

    Void is compared between splits: you get a finding if no image of a split has any, where nine in ten of the others
    have, as around the objects of PASCAL VOC.

    Why: some images were labelled in another way, or went through another program: with hulls or ellipses in place of
    outlines, without the objects that the border cuts, with the largest part of each object alone, with holes filled,
    or with void written as background. Your model learns both at random.

    Remedy: look at an image of either kind. Label one of them again, or write into the guideline what both may do.

    Options: `min_images`: fewer images tell nothing. `min_expected`: how many segments with it must be expected in each
    of `min_images` images without; at 6 one image in 400 has none by chance. More images may have half of it each.
    `max_between`: images in between, fewer than this share of those without.
    Defaults: set before the rule was tried on any data. 42 openings of public datasets and nine further public sets
    have no finding. Hulls or ellipses in place of the outlines in half of the images of COCO and GBM40, nuclei without
    those that the border cuts, and CamVid's classes reduced to their largest parts in half of its masks are found.
    """
    yield from _without_void(tables, min_images)
    kinds = (_counts(tables), _truths(tables))
    tables, (counts, truths) = gather_each(tables, kinds, {"annotation": "annotations", "stated": "spellings"})
    unit = _units(tables)
    yield from _attributes_never_set(tables, truths, unit, min_images, min_expected, max_between)
    for feature, (of_none, of_others) in _FEATURES.items():
        judged = counts.take(counts[f"may_{feature}"] > 0)
        is_without = _units_without(
            judged.beside(unit=unit[judged["annotation"]], n=judged[f"may_{feature}"], k=judged[feature]),
            min_images,
            min_expected,
            max_between,
        )
        if not is_without.any():
            continue
        is_without = is_without[unit[judged["annotation"]]]
        without, others = (np.unique(judged["annotation"][rows]) for rows in (is_without, ~is_without))
        n_without, n_others = (int(judged[f"may_{feature}"][rows].sum()) for rows in (is_without, ~is_without))
        yield RowFinding(
            f"in {len(without):,} of {count_noun(len(without) + len(others), 'image')} "
            f"({image_names(tables, without)}) {of_none.format(n=f'{n_without:,}')}; "
            f"{int(judged[feature][~is_without].sum()):,} of {n_others:,} in the others {of_others}"
            + separating_column(tables, others, without, "these have none")
        )


def _without_void(tables: Tables, min_images: int) -> Findings:
    """One finding for each split whose annotations have no void, where most of the other splits have."""
    void = tables.profile.taxonomy.void_ids
    if not void:
        return
    segments, splits = tables.segments, image_splits(tables)
    is_void = np.isin(segments["category_id"], void) & (segments["area"] > 0)
    judged, has_void = (
        np.bincount(segments["annotation"][flags], minlength=len(tables.annotations)) > 0
        for flags in (is_example(tables, crowds=False), is_void)
    )
    key = name_keys(pa.array(splits, pa.string()))[tables.annotations["image"]]
    rows = np.flatnonzero(judged & (key >= 0))
    counts = sum_by(tables, {"split": key[rows]}, {"n": np.ones(len(rows), np.int64), "void": has_void[rows]})
    whole = leading(tables)
    if whole is None:
        return
    names = sorted({name for name in image_splits(whole).tolist() if name is not None})
    of_key = dict(zip(name_keys(pa.array(names, pa.string())).tolist(), names, strict=True))
    n, n_void = int(counts["n"].sum()), int(counts["void"].sum())
    without = [(of_key[split], own) for split, own, with_void in counts.lines("split", "n", "void") if not with_void]
    for name, own in sorted(without):
        others = n - own
        if min(own, others) >= min_images and n_void >= _MOST_VOID * others:
            yield RowFinding(
                f"none of the {count_noun(own, 'annotation')} of {name!r} has void; {n_void:,} of {others:,} of the "
                "other splits have: was it written as background there?"
            )


def _truths(tables: Tables) -> dict[str, Column]:
    """One row for each annotation and attribute: how many segments have it, have it true, and as neither.

    Further columns are its row in `spellings`, as `stated`, and the key of its name.
    """
    stated = tables.spellings
    values, value = number_names(stated.texts("value"))
    truth = np.array([_TRUTHS.get(text.strip('"').casefold(), -1) for text in values] + [-1])[value]
    annotation, name = tables.segments["annotation"][stated["segment"]], name_keys(stated.texts("name"))
    which, first = joint_codes(annotation, name)
    weights = {"n": stated["n"], "true": stated["n"] * (truth == 1), "neither": truth < 0}
    sums = {sort: np.bincount(which, weight, len(first)).astype(np.int64) for sort, weight in weights.items()}
    return {"annotation": annotation[first], "stated": first, "name": name[first], **sums}


def _attributes_never_set(
    tables: Tables, truths: Table, unit: Ints, min_images: int, min_expected: float, max_between: float
) -> Findings:
    """One finding for each attribute that is never true in some images, and true for some segments in others."""
    for key in np.unique(truths["name"]).tolist():
        own = truths.take(truths["name"] == key)
        if own["neither"].any():
            continue
        annotation, n, n_true = own["annotation"], own["n"], own["true"]
        name = tables.spellings.take(own["stated"][:1]).cell("name", 0)  # one row, not a column of all
        n_some, n_whole = np.count_nonzero(n_true), np.count_nonzero((n_true == n) & (n_true > 0))
        if n_whole > _MOST_WHOLE * n_some or n_some == 0:  # it is about images, or true nowhere
            continue
        judged = {"unit": unit[annotation], "category": np.zeros(len(annotation), np.int64), "n": n, "k": n_true}
        is_without = _units_without(Table(judged), min_images, min_expected, max_between)[unit[annotation]]
        if not is_without.any():
            is_without = _at_one_end(unit[annotation], n_true > 0, min_images)
        if is_without.any():
            without, others = annotation[is_without], annotation[~is_without]
            yield RowFinding(
                f"in {len(without):,} of {count_noun(len(annotation), 'image')} ({image_names(tables, without)}) "
                f"{name!r} is true for none of {n[is_without].sum():,} segments; for {n_true.sum():,} of "
                f"{n[~is_without].sum():,} in the others: was it left at its default?"
                + separating_column(tables, others, without, "these have none")
            )


def _at_one_end(unit: Ints, has: Flags, min_images: int) -> Flags:
    """(n,) images at the beginning or end of a dataset that have none: a quarter or more, as chance hardly gives."""
    order, first, place = np.unique(unit, return_index=True, return_inverse=True)
    has_any = np.bincount(place, has, len(order))[np.argsort(first)] > 0
    listed = np.argsort(np.argsort(first))[place]
    n, with_any = len(has_any), np.flatnonzero(has_any)
    for begin, end in ((0, int(with_any.min(initial=n))), (int(with_any.max(initial=-1)) + 1, n)):
        without = end - begin
        share = len(with_any) / max(n - without, 1)
        if min(without, n - without) >= max(min_images, n / 4) and n * (1 - share) ** without < _MAX_CHANCE:
            return np.asarray((listed >= begin) & (listed < end), bool)
    return np.zeros(len(unit), bool)


def _units(tables: Tables) -> Ints:
    """(n_annotations,) images of one sequence or group, by one annotator, as one number."""
    annotations = tables.annotations
    annotator = number_names(annotations.texts("annotator"))[1]
    return joint_codes(independent_units(tables)[annotations["image"]], annotator)[0]


def _counts(tables: Tables) -> dict[str, Column]:
    """One row for each annotation and category: how many segments may have each feature, and how many do."""
    segments = tables.segments
    rows = np.flatnonzero(is_example(tables, crowds=False))
    which, first = joint_codes(segments["annotation"][rows], segments["category_id"][rows])
    columns: dict[str, Column] = {
        "annotation": segments["annotation"][rows[first]].astype(np.int32),
        "category": segments["category_id"][rows[first]].astype(np.int32),
    }
    for feature in _FEATURES:  # one after the other: datasets have millions of segments
        may, has = (flags[rows] for flags in _flags(tables, feature))
        columns[f"may_{feature}"] = np.bincount(which[may], minlength=len(first)).astype(np.int32)
        columns[feature] = np.bincount(which[may & has], minlength=len(first)).astype(np.int32)
    return columns


def _flags(tables: Tables, feature: str) -> tuple[Flags, Flags]:
    """(n_segments,) which segments may have a feature, and which have it."""
    segments = tables.segments
    every = np.ones(len(segments), bool)
    if feature == "parts":
        return every, segments["parts"] > 1
    if feature == "holes":
        return every, segments["holes"] > 0
    if feature == "slivers":
        narrow, parts = np.minimum(segments["width"], segments["height"]) < _NARROW, tables.parts
        narrow[parts["segment"][np.minimum(parts["width"], parts["height"]) < _NARROW]] = True
        return every, narrow
    if feature == "cuts":
        at_border = (segments["x"] <= 0) | (segments["y"] <= 0)
        for begin, size, side in (("x", "width", "width"), ("y", "height", "height")):
            at_border |= segments[begin] + segments[size] >= tables.images[side][segments["image"]]
        return is_thing(tables), at_border
    outlined, convex = np.zeros((2, len(segments)), bool)
    outlined[tables.outlines["segment"]] = tables.outlines["vertices"] >= _MIN_POINTS
    convex[tables.outlines["segment"]] = tables.outlines["convex"]
    return outlined, ~convex


def _units_without(counts: Table, min_images: int, min_expected: float, max_between: float) -> Flags:
    """(n_units,) which units have none of a feature that is usual; `counts`: unit, category, n (segments), k (with it).

    None has if the dataset does not fall into units with and without.
    """
    unit, n_units = counts["unit"], int(counts["unit"].max(initial=-1)) + 1
    k = np.bincount(counts["unit"], counts["k"], n_units)
    category = unique_inverse(counts["category"])[1]
    of_some = (k > 0)[unit]
    n_categories = int(category.max(initial=-1)) + 1
    having, all_ = (np.bincount(category[of_some], counts[name][of_some], n_categories) for name in ("k", "n"))
    share = having / np.maximum(all_, 1)
    expected = np.bincount(unit, share[category] * counts["n"], n_units)
    least, ratio = _LEAST_SHARE * min_expected, k / np.maximum(expected, 1e-9)
    usual, between = ((expected >= least) & (k > 0) & which for which in (ratio >= _BETWEEN, ratio < _BETWEEN))
    if usual.sum() < min_images:
        return np.zeros(n_units, bool)
    at_least = np.quantile(ratio[usual], _LOW) * expected
    none: Flags = (k == 0) & (at_least >= least)
    is_mixed = none.sum() >= min_images and at_least[none].sum() >= min_images * min_expected
    if is_mixed and between.sum() < max_between * none.sum():
        return none
    return np.zeros(n_units, bool)
