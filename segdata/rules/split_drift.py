"""SEG306 split-drift: the category mix of a split differs from that of the others."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.permutation_tests import Floats, MixComparison, compare_mixes
from segdata.core.rule import Tables, rule
from segdata.core.runs import unique_inverse
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import example_segments, image_splits, independent_units, joint_codes, number_names


@rule("SEG306", "split-drift", severity="warning", needs=(), whole=True)
def split_drift(tables: Tables, *, min_distance: float = 0.1, rate: float = 0.05) -> Iterator[RowFinding]:
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

        b...
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
    leaves out void and crowds.

    Why: scores on such a split say little about what the model learned in the other, and a threshold tuned there does
    not fit here.

    Remedy: divide again at random or stratified, by whole scenes, or weight the scores. If the splits should differ
    (another city), ignore the rule: `ignore: [split-drift]`.

    Options: `min_distance`: in shares beyond chance. `rate`: of false findings among the splits found.
    Defaults: one segment, or pixel, in ten. CamVid's splits are 10 to 14 % apart, 6 to 8 % by chance: none is flagged,
    nor are those of crops. Kudzu's, of which one has lost its classes, are 100 % apart, 23 % by chance. A seeded val
    without cars (4 of 12 images) is 36 % apart, 12 % by chance.
    """
    segments = example_segments(tables, crowds=False)
    named, split = number_names(image_splits(tables))
    ids, category = unique_inverse(segments["category_id"])
    piece, first = joint_codes(split, independent_units(tables))
    row_split, row = split[first], piece[segments["image"]]
    if len(np.unique(row_split[row_split >= 0])) < 2:
        return
    weights = segments["area"] if tables.profile.task == "semantic" else None
    amounts = np.bincount(row * len(ids) + category, weights, len(row_split) * len(ids)).astype(np.float64)
    amounts = amounts.reshape(len(row_split), len(ids))
    told = (row_split >= 0) & (amounts.sum(axis=1) > 0)
    amounts, row_split = amounts[told], row_split[told]
    present = np.unique(row_split).tolist()
    if len(present) < 2:
        return
    found: dict[int, MixComparison | None] = {}
    for each in present:
        # Two splits are one comparison, seen from both sides; the smaller one is named.
        rng = np.random.default_rng(0)
        found[each] = compare_mixes(amounts, row_split == each, rng, min_distance)
    if len(present) == 2:
        del found[int(np.argmax(np.bincount(row_split)))]
    stands = benjamini_hochberg(np.array([1.0 if each is None else each.p for each in found.values()]), rate)
    for (each, seen), real in zip(found.items(), stands.tolist(), strict=True):
        if real and seen is not None:
            names = [tables.profile.name_of(int(id_)) for id_ in ids]
            yield _finding(named[each], seen, amounts[row_split == each], amounts[row_split != each], names)


def _finding(split: str, seen: MixComparison, inside: Floats, outside: Floats, names: list[str]) -> RowFinding:
    mine, others = (part.sum(axis=0) / part.sum() for part in (inside, outside))
    most = np.argsort(-np.abs(mine - others), kind="stable")[:3].tolist()
    shares = ", ".join(f"{names[k]} {mine[k]:.1%} against {others[k]:.1%}" for k in most)
    message = (
        f"the category mix of {split!r} differs by {seen.distance:.0%} from that of the others (by chance "
        f"{seen.by_chance:.0%}, p = {seen.p:.3f}): {shares}"
    )
    return RowFinding(message, category=names[most[0]])
