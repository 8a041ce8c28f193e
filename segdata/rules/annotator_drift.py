"""SEG310 annotator-drift: an annotator or a batch whose labels differ from the others' on the same images."""

import math
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.finding import RowFinding
from segdata.core.guideline import quote_guideline
from segdata.core.reductions import gather, leading, name_keys, sum_by
from segdata.core.resampling import GroupComparison, StratifiedGroups
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import benjamini_hochberg
from segdata.core.strata import (
    CategoryTally,
    annotation_strata,
    annotation_strata_if_any,
    example_segments,
    image_types,
    independent_units,
    joint_codes,
    number_names,
)
from segdata.core.table import Table

_SEED = 310  # the same data give the same findings
_NEARLY = 0.75  # of three groups of which one deviates, the others are at half of its score on the other side
FeatureKind = Literal["presence", "count", "size", "void"]


class GroupFeature(msgspec.Struct, frozen=True):
    """One thing that groups may differ in."""

    # presence (share of images with the category), count and size (mean logarithms, where it is present), void (share
    # of the image's pixels)
    kind: FeatureKind
    category: int | None  # the category's id; None: of no single one
    values: Floats  # (n_observations,)
    among: Flags  # (n_observations,) which of them have a value


class GroupedAnnotations(msgspec.Struct, frozen=True):
    """Annotations by group, averaged over what is one piece of evidence: an image, or a sequence or group of images.

    If several groups annotated the same images, only these count, and the stratum is the piece: all saw the same.
    Else the stratum is the sort of image: camera, size and split. If images differ so much in size that most could not
    be compared, those of about the same size (areas within a factor of 4) are of one sort.
    """

    names: list[str]  # of the groups, sorted
    group: Ints  # (n,) of each observation
    stratum: Ints  # (n,) of each observation
    n_images: Ints  # (n,) how many annotations it is the mean of
    observation: Ints  # (n_annotations,) the observation that an annotation belongs to; -1: none
    is_paired: bool  # whether the strata are the same images

    @staticmethod
    def from_column(tables: Tables, column: str) -> "GroupedAnnotations":
        """The observations of a column's groups; none where it names fewer than two."""
        names, group = number_names(annotation_strata_if_any(tables, column))
        if len(names) < 2:
            none = np.zeros(0, np.int64)
            return GroupedAnnotations(names, none, none, none, np.full(len(group), -1, np.int64), False)
        image = tables.annotations["image"].astype(np.int64)
        rows = np.flatnonzero(group >= 0)
        pairs = rows[joint_codes(image[rows], group[rows])[1]]
        shared = np.bincount(image[pairs], minlength=len(tables.images)) > 1
        is_paired = bool(shared.any())
        if is_paired:
            rows = rows[shared[image[rows]]]
        unit = independent_units(tables)[image]
        which, place = joint_codes(unit[rows], group[rows])
        observation = np.full(len(group), -1, np.int64)
        observation[rows] = which
        first = rows[place]
        stratum = unit[first] if is_paired else _comparable_types(tables, column, image[first], group[first])
        return GroupedAnnotations(names, group[first], stratum, np.bincount(which), observation, is_paired)

    def features(self, tables: Tables, amounts: Table) -> Iterator[GroupFeature]:
        """The amounts that can differ between groups: each category, then the use of void; see `drawn_amounts`."""
        frame = np.maximum(tables.images["width"].astype(np.float64) * tables.images["height"], 1)
        frame = frame[tables.annotations["image"]]
        owner, drawn, amount = (amounts[name] for name in ("annotation", "category", "amount"))
        void = np.isin(drawn, tables.profile.taxonomy.void_ids)
        things = tables.profile.taxonomy.thing_ids
        for category in np.unique(drawn[~void]).tolist():
            rows = np.flatnonzero((drawn == category) & (self.observation[owner] >= 0))
            observation = self.observation[owner[rows]]
            having = np.bincount(observation, minlength=len(self.group)).astype(np.float64)
            yield GroupFeature("presence", category, having / self.n_images, np.ones(len(self.group), bool))
            some = having > 0
            if tables.profile.task != "semantic" and category in things:
                logs = np.bincount(observation, weights=np.log(amount[rows]), minlength=len(having))
                yield GroupFeature("count", category, logs / np.maximum(having, 1), some)
            # As a share of the image: within images of one size this is a constant, which changes no comparison.
            shares = amounts["log_area"][rows] - np.log(frame[owner[rows]])
            logs = np.bincount(observation, weights=shares, minlength=len(having))
            yield GroupFeature("size", category, logs / np.maximum(having, 1), some)
        if void.any():
            rows = np.flatnonzero(void & (self.observation[owner] >= 0))
            share = amount[rows] / frame[owner[rows]]
            total = np.bincount(self.observation[owner[rows]], weights=share, minlength=len(self.group))
            yield GroupFeature("void", None, total / self.n_images, np.ones(len(self.group), bool))


class _Limits(msgspec.Struct, frozen=True):
    """The least effects that count, and the least number of observations of a group."""

    difference: float
    ratio: float
    void: float
    images: int

    def beyond(self, feature: GroupFeature, comparison: GroupComparison) -> Flags:
        """(n_groups,) which groups differ by as much as counts."""
        least_difference = {"presence": self.difference, "void": self.void}.get(
            feature.kind, math.log(max(self.ratio, 1.0))
        )
        with np.errstate(invalid="ignore"):
            return (np.abs(comparison.difference) >= least_difference) & (comparison.n >= self.images)


class _Drift(msgspec.Struct, frozen=True):
    """A group that differs in a feature from the others, or `against` one, and the p-value of the feature."""

    feature: GroupFeature
    comparison: GroupComparison
    group: int
    against: int | None = None
    p: float = 1.0


@rule("SEG310", "annotator-drift", severity="warning", needs=(), whole=True, by_part=True)
def annotator_drift(
    tables: Tables,
    *,
    rate: float = 0.05,
    min_difference: float = 0.15,
    min_ratio: float = 1.5,
    min_void: float = 0.02,
    min_images: int = 5,
) -> Findings:
    """The categories, counts, sizes or void of one annotator differ from those of the others.

    Example:
        third marks persons as void: of the same 6 images first and second draw persons in all, third in none

    For each category the rule compares the share of images that have it and, where it is present, the number of
    segments and their size. It also compares the share of void. If several annotators labelled the same images, it
    compares only these, image by image; otherwise it compares images of the same camera, size and split. If most images
    have a size of their own, those of about the same size are compared (areas within a factor of 4), and sizes of
    segments as shares of the image. Images of one sequence or group count as one. Annotators who have nothing in common
    are not compared. If you set `by: COLUMN` in the configuration, batches are compared in the same way.

    Names are permuted within the same images (or images of the same type) 1999 times or more. A feature counts if the
    largest standardised difference of any annotator is beyond chance (Strasser and Weber, 1999; Benjamini-Hochberg over
    all features). An annotator counts if the difference also reaches the limits of the options. The annotator who
    deviates most is named first, and annotators who differ only from that one are not named. If two deviate about
    equally in opposite directions, or there are only two, the data cannot show who is right, and the finding names
    both.

    Why: your model learns what one person does in a tenth of the data as a tenth of the truth, and no single image
    shows it.

    Remedy: show both annotators the guideline, and redraw the share of the one who deviates. `segdata agreement` has
    the details.

    Options: `rate`: the rate of false findings. `min_difference`: in the share of images that have a category.
    `min_ratio`: of counts and sizes. `min_void`: in the share of the image. `min_images`: images that an annotator must
    share with others.
    Defaults: 0.05 is the usual rate; the least effects are those that a reviewer sees without measuring. Among 1000
    simulated campaigns with names permuted at random, 0.8 % have a finding on the same 30 images and 4.0 % on 90
    different ones (1.7 and 4.2 % without least effects). One of three annotators who draws things 1.8 times as large is
    found in 50 of 50 campaigns of 10 shared images, and one who misses 35 % of them in 50 of 50 campaigns of 40. No
    public dataset at hand names two annotators.
    """
    limits = _Limits(min_difference, min_ratio, min_void, min_images)
    columns = ["annotator"]
    by = tables.profile.by
    if by not in (None, "annotator", "split"):  # SEG306 speaks of splits
        if (whole := leading(tables)) is not None:
            annotation_strata(whole, by)  # refuses a column that there is not
        columns.append(by)
    columns = [column for column in columns if _has_groups(tables, column)]
    if not columns:
        return
    drawn = drawn_amounts(tables)
    whole, drawn = gather(tables, {name: drawn[name] for name in drawn.names}, {"annotation": "annotations"})
    for column in columns:
        observed = GroupedAnnotations.from_column(whole, column)
        drifts = sorted(_drifts(whole, drawn, observed, limits, rate), key=_group_and_category)
        for _, group_drifts in groupby(drifts, _group_and_category):
            yield _finding(whole, observed, column, list(group_drifts))


def _has_groups(tables: Tables, column: str) -> bool:
    """Whether a column names several groups of annotations in the whole dataset."""
    names = name_keys(pa.array(annotation_strata_if_any(tables, column), pa.string()))
    return int((sum_by(tables, {"name": names}, {})["name"] >= 0).sum()) > 1


def _group_and_category(drift: _Drift) -> tuple[int, int, bool, int]:
    against, category = drift.against, drift.feature.category
    return drift.group, -1 if against is None else against, category is None, category or 0


def _drifts(tables: Tables, drawn: Table, observed: GroupedAnnotations, limits: _Limits, rate: float) -> list[_Drift]:
    tested = list(_tested_features(tables, drawn, observed, limits))
    if not tested:
        return []
    rng = np.random.default_rng(_SEED)
    n_permutations = max(1999, math.ceil(min(2 * len(tested) / max(rate, 1e-9), 9999)))
    p, critical = np.ones(len(tested)), np.full(len(tested), np.inf)
    for place, (feature, blocks, compared) in enumerate(tested):
        # Chance is only asked about what would count: the others stand for p = 1, which Benjamini-Hochberg allows.
        if (limits.beyond(feature, compared) & (np.abs(compared.z) > 2)).any():
            p[place], critical[place] = blocks.permutation_test(feature.values, rng, n_permutations)
    is_significant = benjamini_hochberg(p, rate)
    return [
        msgspec.structs.replace(drift, p=float(p[place]))
        for place, (feature, blocks, _) in enumerate(tested)
        if is_significant[place]
        for drift in _deviating(feature, blocks, limits, float(critical[place]))
    ]


def _tested_features(
    tables: Tables, drawn: Table, observed: GroupedAnnotations, limits: _Limits
) -> Iterator[tuple[GroupFeature, StratifiedGroups, GroupComparison]]:
    """The features in which two groups or more can be compared, and how they compare."""
    n_groups = len(observed.names)
    every = StratifiedGroups.from_strata(observed.group, observed.stratum, n_groups)
    for feature in observed.features(tables, drawn) if len(every.rows) else ():
        blocks = every
        if not feature.among.all():
            blocks = StratifiedGroups.from_strata(observed.group, observed.stratum, n_groups, feature.among)
        compared = blocks.compare(feature.values)
        if (compared.n >= limits.images).sum() > 1 and compared.largest > 0:
            yield feature, blocks, compared


def _deviating(feature: GroupFeature, blocks: StratifiedGroups, limits: _Limits, critical: float) -> Iterator[_Drift]:
    """The groups that deviate, the worst first: each is left out before the next is sought.

    If another deviates nearly as much to the other side, or only one other exists, the two differ from each other.
    """
    while True:
        compared = blocks.compare(feature.values)
        z = np.nan_to_num(compared.z)
        deviates = limits.beyond(feature, compared) & (np.abs(z) >= critical)
        if not deviates.any():
            return
        worst = int(np.argmax(np.where(deviates, np.abs(z), -1)))
        opposite = int(np.argmax(-np.sign(z[worst]) * z))
        if abs(z[opposite]) >= _NEARLY * abs(z[worst]):
            pair = blocks.only([worst, opposite]).compare(feature.values)
            if limits.beyond(feature, pair).any():
                yield _Drift(feature, pair, *sorted((worst, opposite)))
            return
        yield _Drift(feature, compared, worst)
        present = np.flatnonzero(compared.n > 0)
        blocks = blocks.only([int(group) for group in present if group != worst])


def _finding(tables: Tables, observed: GroupedAnnotations, column: str, drifts: list[_Drift]) -> RowFinding:
    """One finding for all that one group does to one category."""
    first = drifts[0]
    name, category = observed.names[first.group], first.feature.category
    others = "the others" if first.against is None else repr(observed.names[first.against])
    which_images = "the same images" if observed.is_paired else "similar images"
    group_name = repr(name) if column == "annotator" else f"{column} {name!r}"
    category_name = "void" if category is None else repr(tables.profile.name_of(category))
    statements = "; ".join(_describe_drift(drift, others) for drift in drifts)
    n, p = int(first.comparison.n[first.group]), min(drift.p for drift in drifts)
    chance = "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
    message = f"{group_name}, {category_name}: {statements}; on {which_images}, {n:,} compared, {chance}"
    is_border = all(drift.feature.kind == "size" for drift in drifts)
    message += quote_guideline(tables.profile.taxonomy, category, "boundary_rule" if is_border else "definition")
    return RowFinding(
        message,
        annotator=name if column == "annotator" and first.against is None else None,
        category=None if category is None else tables.profile.name_of(category),
    )


def _describe_drift(drift: _Drift, others: str) -> str:
    comparison, group = drift.comparison, drift.group
    mean, difference = float(comparison.mean[group]), float(comparison.difference[group])
    if drift.feature.kind == "presence":
        return f"in {mean:.0%} of images ({others}: {max(mean - difference, 0):.0%})"
    if drift.feature.kind == "void":
        return f"{mean:.1%} of the pixels ({others}: {max(mean - difference, 0):.1%})"
    as_much = "as many as for" if drift.feature.kind == "count" else "as large as for"
    return f"{math.exp(difference):.2g} times {as_much} {others}"


def drawn_amounts(tables: Tables) -> Table:
    """One row for each annotation (row) and category: annotation, category, amount, log_area.

    amount: how many segments have pixels, of void how many pixels; log_area: the mean logarithm of these segments.
    """
    segments, void_ids = tables.segments, tables.profile.taxonomy.void_ids
    void_segments = segments.take(np.isin(segments["category_id"], void_ids)).select(
        ("annotation", "category_id", "area")
    )
    real, void = (CategoryTally.count(some, some["annotation"]) for some in (example_segments(tables), void_segments))
    return Table(
        {
            "annotation": np.concatenate([real.owner, void.owner]),
            "category": np.concatenate([real.category, void.category]),
            "amount": np.concatenate([real.segments, void.pixels]),
            "log_area": np.concatenate([real.log_area, void.log_area]),
        }
    )


def _comparable_types(tables: Tables, column: str, image: Ints, group: Ints) -> Ints:
    """(n,) the types of images (n,) of groups (n,): by exact sizes, unless most have no other group beside them."""
    types = image_types(tables, column)[image]
    _, first = joint_codes(types, group)
    several = np.bincount(types[first], minlength=int(types.max(initial=0)) + 1)[types] > 1
    return types if several.mean() >= 0.5 else image_types(tables, column, exact=False)[image]
