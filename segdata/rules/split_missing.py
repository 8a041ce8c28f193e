"""SEG303 split-missing: a split lacks a category."""

import numpy as np
import pyarrow as pa

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, name_keys, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.statistics import absence_probability
from segdata.core.strata import image_splits, independent_units, is_example, joint_codes, number_names
from segdata.core.table import Table
from segdata.rules.shared import improper_categories

_MAX_NAMES = 8  # rare categories in a finding
_MIN_BOX = 2.0  # sides of a box in pixels
_FEW_NAMED = 3  # those of splits that have none in common


@rule("SEG303", "split-missing", severity="error", needs=(), whole=True, by_part=True, habit="category")
def split_missing(tables: Tables, *, max_chance: float = 0.05) -> Findings:
    """A category occurs in the dataset, but not in one of its splits.

    Flagged:
        aab.
        split: train

        aab.
        split: train

        aab.
        split: train

        aa..
        split: val

        a: car
        b: bus

    Fine:
        aab.
        split: train

        aab.
        split: train

        aab.
        split: train

        a..b
        split: val

        a: car
        b: bus

    Splits come from the data, or else from folders named train, val, test and the like. A category so rare that a
    random division would leave it out of that split with a chance above max_chance is a warning, one for all such
    categories of the split. Images of one sequence or group count as one. The rule ignores void, and splits without a
    segment (a test set whose labels are kept secret); boxes without an outline count. A split that has no category in
    common with the others, probably because another team named its categories, is one finding; if its segments have no
    names at all, SEG004 says so.

    Why: your model never learns what training lacks, and you never measure what validation lacks: the average over
    categories then leaves it out silently, or counts it as a failure.

    Remedy: divide again, stratified by category, or move images that have it.

    Options: `max_chance`: the largest chance that a random division does the same; above it, the finding is a warning.
    Defaults: 0.05 is the usual level. Three public sets with splits have no finding: CamVid (24, 8 and 8 images),
    crops (24, 11 and 12) and kudzu (24 and 16).
    """
    segments = tables.segments
    # A category occurs where a box without an outline was labelled, too: SEG105 says what lacks there.
    is_box = np.minimum(segments["declared_width"], segments["declared_height"]) >= _MIN_BOX
    rows = np.flatnonzero(
        is_example(tables) | (is_box & ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids))
    )
    segments = Table({name: segments[name][rows] for name in ("image", "category_id")})
    if len(sum_by(tables, {"split": name_keys(pa.array(image_splits(tables), pa.string()))}, {})) < 2:
        return
    _, first = joint_codes(segments["image"], segments["category_id"])
    uses = {"image": segments["image"][first], "category": segments["category_id"][first]}
    tables, used = gather(tables, uses, {"image": "images"})
    split_names, split = number_names(image_splits(tables))
    unit, image = independent_units(tables), used["image"]
    has_split = split[image] >= 0
    every = (split[image][has_split], unit[image][has_split], used["category"][has_split])
    place = np.stack(every)[:, joint_codes(*every)[1]]  # each category once for each unit
    size = np.bincount(place[0][joint_codes(place[0], place[1])[1]], minlength=len(split_names))
    improper = improper_categories(tables.profile, *np.unique(place[2], return_counts=True))
    proper = np.unique(place[0][~np.isin(place[2], improper)])  # the others have no names at all, which SEG004 says
    place, size[np.setdiff1d(np.arange(len(size)), proper)] = place[:, np.isin(place[0], proper)], 0
    for number in _apart(place, size, max_chance):
        is_own = place[0] == number
        own, others = (
            list_names([tables.profile.name_of(id_) for id_ in np.unique(place[2][rows]).tolist()], _FEW_NAMED)
            for rows in (is_own, ~is_own)
        )
        message = (
            f"{split_names[number]!r} ({own}) and the other splits ({others}) have no category in common: are these "
            "other names of the same things?"
        )
        yield RowFinding(message, pixels=0)
        place, size[number] = place[:, ~is_own], 0
    if (size > 0).sum() < 2:
        return
    rare: dict[int, list[str]] = {}
    present, n_units = np.unique(place[2], return_counts=True)
    for category in np.setdiff1d(present, improper_categories(tables.profile, present, n_units)).tolist():
        having = np.bincount(place[0][place[2] == category], minlength=len(split_names))
        for missing in np.flatnonzero((having == 0) & (size > 0)).tolist():
            name = tables.profile.name_of(category)
            total, has = int(size.sum()), int(having.sum())
            chance = absence_probability(total, has, int(size[missing]))
            if chance > max_chance:
                rare.setdefault(missing, []).append(name)
                continue
            message = (
                f"no {name!r} in {split_names[missing]!r} (of {total:,} annotated images, or groups of them, it has "
                f"{int(size[missing]):,}); {has:,} of the others have it: a random division would leave it out in "
                f"{'less than 0.1%' if chance < 0.001 else f'{chance:.1%}'} of cases"
            )
            yield RowFinding(message, category=name, pixels=0)
    for missing, names in rare.items():
        listed = list_names(names, _MAX_NAMES)
        message = f"{split_names[missing]!r} lacks {count_noun(len(names), 'rare category')}: {listed}"
        yield RowFinding(message, category=names[0] if len(names) == 1 else None, severity="warning", pixels=0)


def _apart(place: Ints, size: Ints, max_chance: float) -> list[int]:
    """The splits that have no category in common with any other, the smaller of two; `place` (3, n) as in the rule.

    Not those that a random division makes so with a chance above `max_chance`.
    """
    splits = np.flatnonzero(size > 0)
    own = [set(place[2][place[0] == number].tolist()) for number in splits.tolist()]
    apart = [
        int(number)
        for k, number in enumerate(splits)
        if own[k].isdisjoint(set[int]().union(*own[:k], *own[k + 1 :]))
        and absence_probability(int(size.sum()), int(size.sum() - size[number]), int(size[number])) <= max_chance
    ]
    if apart and len(splits) == len(apart):
        apart.remove(max(apart, key=lambda number: int(size[number])))
    return apart
