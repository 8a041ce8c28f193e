"""The JSON report of a consensus; `schemas/consensus.schema.json` is made from these types."""

from collections import Counter
from typing import Any, Literal

import msgspec

from segdata.agreement.consensus import MethodName
from segdata.agreement.consensus_dataset import Consensus, UndecidedAs
from segdata.agreement.leave_one_out import AgainstOthers
from segdata.agreement.surface_distances import Tolerance
from segdata.report.agreement_json import score_of
from segdata.report.agreement_types import Count, Score, Tolerances, tolerances
from segdata.report.json_format import format_json

VERSION: Literal[1] = 1


class OfCategory(msgspec.Struct, frozen=True, kw_only=True):
    """One category; `score` says what of it: f1 of segments, or dice_micro, of all pixels."""

    category: str
    score: str
    value: Score


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """An annotator against the consensus of the others, which has nothing of their own work.

    `images`: that enough others annotated. `missed`: the share of the others' pixels that the annotator lacks and would
    gain; `extra`: the share of the annotator's that would be lost; `missed_things`, `extra_things`: of segments that
    are counted one by one. `boundary_offset`: by how many px the annotator draws larger, or mm where
    the spacing is known.
    Other scores are those of `segdata agreement`.
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
    categories: tuple[OfCategory, ...]


class Regions(msgspec.Struct, frozen=True, kw_only=True):
    """What annotators do not agree on: connected regions, their pixels, and those that anybody labelled.

    `category` is what they are in the dataset, `is_new` where its taxonomy had none that is void; null: they are
    unlabelled there, and listed.
    """

    regions: Count
    pixels: Count
    of_pixels: Count
    category: str | None
    is_new: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What annotators agree on, written as a dataset.

    `alone`: images that fewer than two annotated, which have no consensus. `drawn`: segments by all annotators.
    `rejected`: things that too few of them drew; `disputed`: things in dispute, whose pixels are undecided. `defects`
    counts by code what was met while reading, and what the datasets do not have in common. `tolerance`: of boundaries.
    """

    version: Literal[1]
    target: str
    method: MethodName
    min_support: float
    undecided: UndecidedAs
    annotators: tuple[str, ...]
    images: Count
    segments: Count
    drawn: Count
    rejected: Count
    disputed: Count
    without_consensus: Regions
    alone: tuple[str, ...]
    defects: dict[str, Count]
    tolerance: Tolerances
    against_others: tuple[Against, ...]


def to_json(found: Consensus) -> str:
    """The report as JSON; the same input gives the same text."""
    report = Report(
        version=VERSION,
        target=found.target.as_posix(),
        method=found.method,
        min_support=found.min_support,
        undecided=found.undecided,
        annotators=found.annotators,
        images=found.n_images,
        segments=found.n_segments,
        drawn=found.n_drawn,
        rejected=found.n_rejected,
        disputed=found.n_disputed,
        without_consensus=Regions(
            regions=found.n_regions,
            pixels=found.pixels_undecided,
            of_pixels=found.pixels_labelled,
            category=found.void,
            is_new=found.is_void_new,
        ),
        alone=found.alone,
        defects=dict(sorted(Counter(each.code for each in found.defects).items())),
        tolerance=tolerances(Tolerance()),  # nobody can ask for another one here
        against_others=tuple(map(_against, found.against)),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    return format_json(plain)


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(Report)


def _against(each: AgainstOthers) -> Against:
    return Against(
        annotator=each.annotator,
        images=each.images,
        clusters=each.clusters,
        **{name: score_of(value) for name, value in each.scores.items()},
        boundary_offset=score_of(each.boundary_offset),
        missed=score_of(each.missed),
        extra=score_of(each.extra),
        missed_things=score_of(each.missed_things),
        extra_things=score_of(each.extra_things),
        categories=tuple(
            OfCategory(category=of.category, score=of.score, value=score_of(of.value)) for of in each.categories
        ),
    )
