"""SEG306 split-drift: the category mix of a split differs from that of the others."""

import numpy as np
import pyarrow as pa

from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, name_keys, sum_by
from segdata.core.resampling import MixComparison, compare_mixes
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, unique_inverse
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import example_segments, image_splits, independent_units, joint_codes, number_names
from segdata.rules.shared import stand_ins


@rule("SEG306", "split-drift", severity="warning", needs=(), whole=True, by_part=True)
def split_drift(tables: Tables, *, min_distance: float = 0.1, rate: float = 0.05) -> Findings:
    """The category mix of a split is far from that of the others.

    Flagged:
        aa..
        split: train

        aa..
        split: train

        aa..
        split: train

        aa..
        split: train

        b...
        split: val

        b...
        split: val

        b...
        split: val

        b.a.
        split: val

        a: car
        b: bus

    Fine:
        aa..
        split: train

        b...
        split: train

        aa..
        split: val

        b...
        split: val

        a: car
        b: bus

    The mix is each category's share of the segments, in semantic data of the pixels. The distance of two mixes (total
    variation) is the share that would have to change category to make them equal. It must be min_distance more than
    random divisions into splits of these sizes have on average, and at most a share `rate` of them may be as far apart
    (999 permutations, Benjamini-Hochberg over the splits). Images of one sequence or group move together. The rule
    leaves out void, crowds, and labels without a category.

    Why: scores on such a split say little about what your model learned in the other, and a threshold that you tune
    there does not fit here.

    Remedy: divide again at random or stratified, by whole scenes, or weight the scores. If you want the splits to
    differ (another city), ignore the rule: `ignore: [split-drift]`.

    Options: `min_distance`: in shares beyond chance. `rate`: of false findings among the splits found.
    Defaults: one segment, or pixel, in ten. CamVid's splits are 10 to 14 % apart, 6 to 8 % by chance: none is flagged,
    nor are those of crops. A seeded val without cars (4 of 12 images) is 36 % apart, 12 % by chance. Kudzu's, of which
    one has lost its classes, have none in common, which is SEG303.
    """
    segments = example_segments(tables, crowds=False)
    if len(sum_by(tables, {"split": name_keys(pa.array(image_splits(tables), pa.string()))}, {})) < 2:
        return
    which, first = joint_codes(segments["image"], segments["category_id"])
    weights = segments["area"] if tables.profile.task == "semantic" else np.ones(len(which), np.int64)
    uses = {
        "image": segments["image"][first],
        "category": segments["category_id"][first],
        "amount": np.bincount(which, weights, len(first)).astype(np.int64),
    }
    tables, used = gather(tables, uses, {"image": "images"})
    split_names, split = number_names(image_splits(tables))
    ids, category = unique_inverse(used["category"])
    unit_number, first = joint_codes(split, independent_units(tables))
    row_split, row = split[first], unit_number[used["image"]]
    if len(np.unique(row_split[row_split >= 0])) < 2:
        return
    amounts = np.bincount(row * len(ids) + category, used["amount"], len(row_split) * len(ids)).astype(np.float64)
    amounts = amounts.reshape(len(row_split), len(ids))
    amounts[:, np.isin(ids, stand_ins(tables.profile))] = 0  # labels without a category, which SEG004 tells
    is_usable = (row_split >= 0) & (amounts.sum(axis=1) > 0)
    amounts, row_split = amounts[is_usable], row_split[is_usable]
    present = np.unique(row_split).tolist()
    if len(present) < 2:
        return
    comparisons: dict[int, MixComparison | None] = {}
    for number in present:
        # Two splits are one comparison, seen from both sides; the smaller one is named.
        rng = np.random.default_rng(0)
        comparisons[number] = compare_mixes(amounts, row_split == number, rng, min_distance)
    if len(present) == 2:
        del comparisons[int(np.argmax(np.bincount(row_split)))]
    p = np.array([1.0 if comparison is None else comparison.p for comparison in comparisons.values()])
    names = [tables.profile.name_of(int(id_)) for id_ in ids]
    for (number, comparison), significant in zip(comparisons.items(), benjamini_hochberg(p, rate), strict=True):
        if significant and comparison is not None:
            inside, outside = amounts[row_split == number], amounts[row_split != number]
            if not (inside.any(axis=0) & outside.any(axis=0)).any():
                continue  # no category in common, which is SEG303's
            yield _finding(split_names[number], comparison, inside, outside, names)


def _finding(split: str, comparison: MixComparison, inside: Floats, outside: Floats, names: list[str]) -> RowFinding:
    own_mix, other_mix = (part.sum(axis=0) / part.sum() for part in (inside, outside))
    largest = np.argsort(-np.abs(own_mix - other_mix), kind="stable")[:3].tolist()
    shares = ", ".join(f"{names[k]} {own_mix[k]:.1%} against {other_mix[k]:.1%}" for k in largest)
    message = (
        f"the category mix of {split!r} differs by {comparison.distance:.0%} from that of the others (by chance "
        f"{comparison.by_chance:.0%}, p = {comparison.p:.3f}): {shares}"
    )
    return RowFinding(message, category=names[largest[0]])
