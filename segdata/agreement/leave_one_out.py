"""Leave one out: how well each annotator agrees with the consensus of the others, without their own work."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import msgspec
import numpy as np

from segdata.agreement.annotator_pairs import Flags
from segdata.agreement.comparison import compare_panel, mark_outside
from segdata.agreement.consensus import (
    MAJORITY,
    ConsensusMethod,
    consensus_annotations,
    reach_consensus,
    select_annotations,
    voters,
)
from segdata.agreement.estimates import DEFAULT_RESAMPLING, PairAmounts, Resampling, category_scores, pair_scores
from segdata.agreement.panel import Panel
from segdata.agreement.results import Count, Score
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch, concatenate_batches, merge_images
from segdata.core.config import Overlap
from segdata.core.resampling import Floats
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category

# Means over images would hold against an annotator what the others left of a category between their void.
SCORES = ("iou_micro", "dice_micro", "boundary_iou", "nsd", "f1", "kappa")
SHARES = ("missed", "extra", "missed_things", "extra_things")


class CategoryAgainstOthers(msgspec.Struct, frozen=True):
    """One category; `score` says which: f1 of segments for things, or dice_micro, of all pixels, for all else."""

    category: str
    score: str
    value: Score


class AgainstOthers(msgspec.Struct, frozen=True, kw_only=True):
    """An annotator against the consensus of the others, which has nothing of the annotator's own work.

    `images`, `clusters`: that the annotator and two others or more annotated (of two annotators, the other), and in how
    many sequences, patients or scenes these are. `boundary_offset`: by how many px the annotator draws larger, or mm
    where the spacing is known. `missed`: the share of the others' pixels that the annotator lacks and would gain;
    `extra`: the share of the annotator's that would be lost; `missed_things`, `extra_things`: of segments that are
    counted one by one. `categories`: those that either drew. Other scores are those of `segdata agreement`.
    """

    annotator: str
    images: Count
    clusters: Count
    iou_micro: Score
    dice_micro: Score
    boundary_iou: Score
    nsd: Score
    f1: Score
    kappa: Score
    boundary_offset: Score
    missed: Score
    extra: Score
    missed_things: Score
    extra_things: Score
    categories: tuple[CategoryAgainstOthers, ...]


def leave_one_out(
    panel: Panel,
    annotators: Iterable[str],
    method: ConsensusMethod,
    *,
    how: Resampling = DEFAULT_RESAMPLING,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda n_images: None,
) -> tuple[AgainstOthers, ...]:
    """How well each annotator agrees with the consensus of the others, by name.

    The consensus is made by the same method; what the others do not agree on is void and counts for nobody. Further
    passes of a person have no part in it, and so have annotators without an image that enough others annotated: two,
    or where there are two annotators, the other. Every annotator takes a pass over the images.
    """
    names = sorted(annotators)
    found = []
    for name in names:
        left = LeaveOneOutPanel(
            **{each.name: getattr(panel, each.name) for each in fields(Panel)},
            whom=name,
            method=method,
            least=min(2, len(names) - 1),
        )
        tables = compare_panel(left, jobs=jobs, progress=progress)
        if tables.annotator_pairs is not None and len(tables.annotator_pairs.pairs):
            found.append(_scores_against_others(name, tables.annotator_pairs, how))
    return tuple(found)


@dataclass(frozen=True)
class LeaveOneOutPanel(Panel):
    """A panel of two: one annotator, and the consensus of the others on the same images.

    Attributes
    ----------
    whom : the annotator
    method : of the consensus
    least : on images with fewer others there is no consensus
    """

    whom: str = ""
    method: ConsensusMethod = MAJORITY
    least: int = 2

    @property
    def others(self) -> str:
        """What the consensus is called."""
        return f"all but {self.whom}"

    def loaded(self, rows: Ints) -> tuple[Batch, Flags]:
        """The images, and (n_annotations, n_categories) whether each side was to show each category."""
        batch, categories, asked = mark_outside(self, *Panel.loaded(self, rows))
        void = Category(id=max(each.id for each in categories) + 1, name="undecided", kind="void")
        mine, theirs = self._sides(batch)
        own, others, of_others = select_annotations(batch, mine), select_annotations(batch, theirs), asked[theirs]
        volumes = frozenset(each.name for each in self.profile.sequences if each.kind == "volume")
        overlap: Overlap = self.profile.overlap.value
        found = reach_consensus(
            others,
            sorted(set(others.annotations["annotator"].to_pylist())),
            (*categories, void),
            self.method,
            asked=np.append(of_others, np.ones((len(of_others), 1), bool), axis=1),
            volumes=volumes,
            overlap=overlap,
            void=len(categories),
        )
        deep = [each in volumes for each in others.images["sequence"].to_pylist()]
        # All void is alike here: nothing of it is compared.
        ids = np.array([*(each.id for each in categories), categories[-1].id])
        made = consensus_annotations(others, found, ids, name=self.others, deep=deep)
        image = np.arange(own.images.num_rows)
        joined, order = merge_images(concatenate_batches([own, made]), np.tile(image, 2))
        of_made = np.zeros((made.annotations.num_rows, len(categories)), bool)
        np.logical_or.at(of_made, np.searchsorted(made.annotation_image, others.annotation_image), of_others)
        return joined, np.concatenate([asked[mine], of_made])[order, :-1]  # who compares adds what lies outside again

    def _sides(self, batch: Batch) -> tuple[Flags, Flags]:
        """(n_annotations,) those of the annotator, and of the others, on images where there are enough of these."""
        counts = voters(batch, 1)
        own = counts & np.array([each == self.whom for each in batch.annotations["annotator"].to_pylist()], bool)
        others = counts & ~own
        image, n = batch.annotation_image, batch.images.num_rows
        there = (np.bincount(image[own], minlength=n) > 0) & (np.bincount(image[others], minlength=n) >= self.least)
        return own & there[image], others & there[image]


def _scores_against_others(name: str, opposed: AnnotatorPairs, how: Resampling) -> AgainstOthers:
    """The scores of two annotators of whom one is a consensus."""
    amounts = PairAmounts.of(opposed)
    rows = amounts.every
    is_first = opposed.annotators[0] == name
    scores = pair_scores(amounts, rows, how, (*SCORES, "offset"))
    offset = scores.pop("offset")
    if is_first:  # it is by how much the second draws larger
        offset = msgspec.structs.replace(offset, value=-offset.value, low=-offset.high, high=-offset.low)
    shares = _missed_and_extra(amounts, rows, how, is_first)
    countable = opposed.countable.tolist()
    categories = tuple(
        CategoryAgainstOthers(category.name, score, of[score])
        for category, of, counted in zip(
            opposed.categories, category_scores(amounts, rows, how, ("dice_micro", "f1")), countable, strict=True
        )
        if category.kind != "void" and of[score := "f1" if counted else "dice_micro"].value == of[score].value
    )
    frames = opposed.cases["frames"]
    return AgainstOthers(
        annotator=name,
        images=int(frames[amounts.case].sum()),
        clusters=amounts.units(rows)[1],
        **scores,
        boundary_offset=offset,
        **dict(zip(SHARES, shares, strict=True)),
        categories=categories,
    )


def _missed_and_extra(
    amounts: PairAmounts, rows: Ints, how: Resampling, is_first: bool
) -> tuple[Score, Score, Score, Score]:
    """`SHARES`, over all categories together."""
    unit, n = amounts.units(rows)
    sums = amounts.sums.grouped(unit, n)
    things = amounts.opposed.countable
    names = ("area_a", "area_b", "fn", "fp")

    def statistic(weights: Floats) -> Floats:
        of = amounts.weighed(sums, weights).amounts
        area_a, area_b, only_a, only_b = (of[each] for each in names)
        both, matched = of["both"].sum(axis=1), of["tp"][:, things].sum(axis=1)
        pixels = [area_b.sum(axis=1), area_a.sum(axis=1)]
        segments = [each[:, things].sum(axis=1) for each in (only_b, only_a)]
        if not is_first:
            pixels, segments = pixels[::-1], segments[::-1]
        return np.stack(
            [_ratio(each - both, each) for each in pixels] + [_ratio(each, each + matched) for each in segments],
            axis=1,
        )

    found = how.interval(statistic, n, sums.width)
    ends = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    missed, extra, things_missed, things_extra = (
        Score(value, low, high, len(rows) * (value == value), len(rows) * (value != value)) for value, low, high in ends
    )
    return missed, extra, things_missed, things_extra


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))
