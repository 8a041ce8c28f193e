"""The result of `flag`: probable label errors, and how reliable they are."""

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from segdata.core.errors import list_names
from segdata.core.finding import Finding
from segdata.core.rule import describe_shift
from segdata.core.schema import runs_to_rle
from segdata.core.table import Column, Table
from segdata.core.validation import Validation
from segdata.noise.budget import ErrorEstimate
from segdata.noise.causes import candidate_boxes
from segdata.noise.error_types import TYPES, SeldomReason
from segdata.noise.evaluation import Count, DetectionQuality, Interval, Share
from segdata.noise.networks.plan import PlanChoice, TrainingPlan
from segdata.noise.ranking import RankedCandidates
from segdata.noise.selection import (
    LabelCheck,
    Selection,
    candidate_ids,
    likely_types,
)
from segdata.noise.thresholds import CategoryTrust, judged_candidates

if TYPE_CHECKING:
    import pandas as pd


_IMAGES_NAMED = 5  # images in a note


class RankedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image and the rank of its labels, from 0 to 1 for the worst."""

    image: str
    score: Share


class SampledReview(msgspec.Struct, frozen=True, kw_only=True):
    """The labels or images chosen for review, from whose decisions the number of all errors can be estimated.

    Either labels or the `images`, in the order in which to review them. `findings` has an item for each label: the
    place of its finding, from 0; -1: it has none, since its rule was left out. `stratum` has an item for each label or
    image: the stratum from which it was drawn at random; -1: it was chosen for its probability. `size` is the number of
    things in each stratum. `labels` of all these things are annotated; the model predicts the others where nothing is
    annotated.
    """

    images: tuple[str, ...] | None
    findings: tuple[int, ...] = ()
    stratum: tuple[int, ...]
    size: tuple[Count, ...]
    labels: Count | None = None


class CommonCause(msgspec.Struct, frozen=True, kw_only=True):
    """Findings of one image with one cause, such as all labels of an image that is misaligned: one thing to review.

    `findings` are their places among the findings, from 0, the most probable first; `labels`: how many the image has.
    `copies` are images with the same picture in which some of them are, `others` images with another picture in which
    they are at the same place, or `along_border`.
    """

    image: str
    rule: str
    findings: tuple[Count, ...]
    labels: Count
    copies: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    along_border: bool = False


class FlagSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The summary of `flag`: the place and plan of the predictions, and the reliability of the findings.

    `annotate_next` are all unannotated images, in the order in which to annotate them. The model has no findings in
    `unknown_images`, which it cannot predict. `seldom_right` are the places, from 0, of findings that come last because
    findings of their kind, or on such data, are right less often; `seldom_reasons` says why.
    """

    predictions: str
    notes: tuple[str, ...]
    choices: tuple[PlanChoice, ...] = msgspec.field(name="plan")
    n_judged: Count = msgspec.field(name="judged")
    n_left_out: Count = msgspec.field(name="not_told")
    expected_errors: Interval
    trust: tuple[CategoryTrust, ...]
    ranked_images: tuple[RankedImage, ...] = msgspec.field(name="images")
    annotate_next: tuple[str, ...] = ()
    unknown_images: tuple[str, ...] = ()
    causes: tuple[CommonCause, ...] = ()
    seldom_right: tuple[Count, ...] = ()
    seldom_reasons: tuple[SeldomReason, ...] = ()
    sample: SampledReview | None
    quality: tuple[DetectionQuality, ...] = msgspec.field(name="evaluation")


class FlagResult(FlagSummary, frozen=True, kw_only=True, eq=False):
    """The probable label errors of a dataset, with their reliability.

    Attributes
    ----------
    validation : the findings, the most probable errors first
    predictions : the folder of the out-of-fold predictions, or the given files
    plan : how the networks were trained; None: predictions were given
    choices : the settings that the plan chose, with reasons
    notes : remarks for readers of the results
    trust : how reliable the ranking of each category is, with its threshold
    looks : a row for each judged image, the worst first: image, score (0 to 1, a rank; `unknown_images` rank among
        themselves and take their places between the others), softmin
    ranked_images : the same images and scores
    scores : a row for each candidate, the worst first: image, segment (the source's own id; None: nothing is annotated
        so), category, seen ("" for nothing), type, probability, doubt (mean 1 - p(label)), pixels, x, y, width, height
        (of its box), counts (of what is not annotated so, its pixels as a COCO compressed RLE; else None)
    n_judged : labels that were judged: things, and parts of stuff
    n_left_out : candidates above their threshold that are not reported, for lack of budget
    expected, expected_errors : how many of the findings are errors, before any review
    sample : with a budget, the labels or images chosen for review
    annotate_next : the images that nobody has annotated, in the order in which to annotate them
    causes : findings that have one cause, each of them two or more
    seldom_right : the places, from 0, of findings that are right less often; they come after all others
    seldom_reasons : why, for each of `seldom_right`
    quality : with known errors, how well they were found: of any type, and of each
    unknown_images : the images that the model does not know; it has no findings there
    """

    validation: Validation
    plan: TrainingPlan | None = msgspec.field(name="training_plan")
    looks: Table
    scores: Table
    expected: ErrorEstimate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_judged:,} labels judged, {self.expected!r}, {self.validation!r})"

    @property
    def summary(self) -> FlagSummary:
        """Everything but the findings and the candidates, as the JSON report has it."""
        return FlagSummary(**{name: getattr(self, name) for name in FlagSummary.__struct_fields__})

    @property
    def images(self) -> "pd.DataFrame":
        """The images, the worst first: image, score, softmin."""
        return self.looks.to_pandas()

    @property
    def parts(self) -> "pd.DataFrame":
        """Every candidate, the worst first: annotated things, parts of what is not countable, and what is missing."""
        return self.scores.to_pandas()

    @property
    def segments(self) -> "pd.DataFrame":
        """Every annotated segment with its worst part, the worst first."""
        scores = self.scores.take(~self.scores.missing("segment")).to_pandas()
        return scores.drop_duplicates(["image", "segment"], ignore_index=True)


def candidate_table(case: LabelCheck, ranked: "RankedCandidates") -> Table:
    """A row for each candidate; see `FlagResult.scores`."""
    names = np.array([*case.names, ""], object)
    types = np.array(TYPES, object)[likely_types(ranked, case.predictor.things)]
    image = case.images[ranked.image]
    areas = [[candidates.annotated.areas, candidates.regions.areas] for candidates in ranked.candidates]
    boxes = candidate_boxes(ranked)
    every = Table(
        {
            "image": np.array(case.given.maps.image_ids, object)[image],
            "segment": candidate_ids(case, image, ranked.row),
            "category": names[ranked.category],
            "seen": names[np.where(ranked.row < 0, ranked.seen, ranked.category)],
            "type": types,
            "probability": ranked.probability,
            "doubt": ranked.doubt,
            "pixels": np.concatenate([np.empty(0, np.int64), *(pair[sort] for sort in (0, 1) for pair in areas)]),
            **{name: boxes[:, column] for column, name in enumerate(("x", "y", "width", "height"))},
            "counts": _region_counts(ranked),
        }
    )
    return every.take(np.argsort(-ranked.probability, kind="stable"))


def _region_counts(ranked: "RankedCandidates") -> Column:
    """(n,) the pixels of each region, as a COCO compressed RLE; None of annotated candidates."""
    counts = np.full(len(ranked), None, object)
    place = int((ranked.row >= 0).sum())
    for candidates in ranked.candidates:
        regions = candidates.regions
        n = len(regions)
        sides = (np.full(n, side, np.int64) for side in (regions.height, regions.width))
        counts[place : place + n] = [text.decode("ascii") for text in runs_to_rle(regions.runs, *sides).to_pylist()]
        place += n
    return counts


def common_causes(
    case: LabelCheck, ranked: "RankedCandidates", choice: Selection, findings: Sequence[Finding], place: dict[int, int]
) -> tuple[CommonCause, ...]:
    """The causes that several findings have; `place`: a selected candidate's row -> its finding's place."""
    n_labels = np.bincount(ranked.image[ranked.row >= 0], minlength=len(ranked.softmin))
    of_cause: dict[int, list[int]] = {}
    for row, cause in zip(choice.rows.tolist(), choice.cause.tolist(), strict=True):
        if row in place:
            of_cause.setdefault(cause, []).append(row)
    causes = []
    for rows in of_cause.values():
        if len(rows) > 1:
            places = sorted(place[row] for row in rows)
            image, *further = dict.fromkeys(ranked.image[sorted(rows, key=place.__getitem__)].tolist())
            is_copy = ranked.related.picture[further] == ranked.related.picture[image]
            name, *names = (str(case.given.maps.image_ids[row]) for row in case.images[[image, *further]].tolist())
            causes.append(
                CommonCause(
                    image=name,
                    rule=findings[places[0]].rule,
                    findings=tuple(places),
                    labels=int(n_labels[image]),
                    copies=tuple(compress(names, is_copy.tolist())),
                    others=tuple(compress(names, (~is_copy).tolist())),
                    along_border=bool(choice.along[rows].all()),
                )
            )
    return tuple(sorted(causes, key=lambda cause: cause.findings))


def misalignment_notes(case: LabelCheck, ranked: "RankedCandidates") -> tuple[str, ...]:
    """A note on the images whose labels fit better elsewhere; none without such images."""
    rows = np.flatnonzero(ranked.move.any(axis=1))
    names = [str(case.given.maps.image_ids[case.images[row]]) for row in rows.tolist()]
    directions = [describe_shift(*move) for move in ranked.move[rows].tolist()]
    described = [f"{name} ({direction})" for name, direction in zip(names, directions, strict=True)]
    if not described:
        return ()
    images_fit = "of 1 image fit" if len(described) == 1 else f"of {len(described)} images fit"
    return (
        f"all labels {images_fit} better elsewhere: {list_names(described, _IMAGES_NAMED)}; "
        "check that image and mask show the same frame, size and crop",
    )


def image_table(case: LabelCheck, ranked: "RankedCandidates", trust: Sequence[CategoryTrust]) -> Table:
    """A row for each image; see `FlagResult.looks`."""
    score = ranked.images(judged_candidates(ranked, trust))
    order = np.argsort(-score, kind="stable")
    names = np.array(case.given.maps.image_ids, object)[case.images]
    return Table({"image": names, "score": score, "softmin": ranked.softmin}).take(order)


def ranked_images(looks: Table) -> tuple[RankedImage, ...]:
    """The images of `FlagResult.looks` with their scores."""
    return tuple(RankedImage(image=name, score=round(score, 6)) for name, score in looks.lines("image", "score"))
