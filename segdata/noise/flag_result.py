"""The result of `flag`: probable label errors, and how reliable they are."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from segdata.core.candidates import describe_shift
from segdata.core.runs import Ints
from segdata.core.table import Column, Table
from segdata.core.validation import Validation
from segdata.noise.budget import ErrorEstimate, ReviewSample
from segdata.noise.error_types import TYPES
from segdata.noise.evaluation import DetectionQuality
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.selection import LabelCheck, likely_types

if TYPE_CHECKING:
    import pandas as pd

    from segdata.noise.ranking import RankedCandidates, Trust
    from segdata.noise.segments import Floats


_IMAGES_NAMED = 5  # images in a note


@dataclass(frozen=True)
class FlagResult:
    """What may be wrong with the labels of a dataset, and how far that is to be believed.

    Attributes
    ----------
    validation : the findings, the most probable errors first
    predictions : the folder of the out-of-fold predictions, or the files that were given
    plan : how the networks were trained; None: predictions were given
    notes : what a reader of the results must know
    names : (K,) of the categories that were judged; row 0: nothing
    trust : of each category what the model is worth
    threshold : (K,) the probability from which on a candidate of a category is told; row 0: of all together
    looks : a row for each image that was looked at, the worst first: image, score (0 to 1, a rank), softmin
    scores : a row for each candidate, the worst first: image, segment (the source's own id; None: nothing is annotated
        so), category, seen ("" for nothing), type, probability, doubt (mean 1 - p(label)), pixels
    n_judged : labels that were judged: things, and parts of what is not countable
    n_left_out : candidates above their threshold that are not told, as there is no room for them
    expected : how many of the findings are errors, before anybody has looked
    sample : what was chosen for review, where there is a budget: labels or images, in the order to look at them
    sampled : the images that were chosen, where the budget is of images; else None
    sampled_findings : (r,) of each label that was chosen which of the findings it is; -1: `select`, `ignore` or the
        configuration leave it out
    sampled_labels : how many of the things that the sample stands for are annotated; None: they are images
    annotate_next : the images that nobody has annotated, in the order in which to annotate them
    quality : with known errors, how well they were found: of any type, and of each
    """

    validation: Validation
    predictions: str
    plan: TrainingPlan | None
    notes: tuple[str, ...]
    names: tuple[str, ...]
    trust: "tuple[Trust, ...]"
    threshold: "Floats" = field(repr=False)
    looks: Table = field(repr=False)
    scores: Table = field(repr=False)
    n_judged: int
    n_left_out: int
    expected: ErrorEstimate
    sample: ReviewSample | None = None
    sampled: tuple[str, ...] | None = None
    sampled_findings: tuple[int, ...] = ()
    sampled_labels: int | None = None
    annotate_next: tuple[str, ...] = ()
    quality: tuple[DetectionQuality, ...] = ()

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
        told = self.scores.take(~self.scores.missing("segment")).to_pandas()
        return told.drop_duplicates(["image", "segment"], ignore_index=True)


def candidate_table(case: LabelCheck, found: "RankedCandidates") -> Table:
    """A row for each candidate; see `Flagged.scores`."""
    names = np.array([*case.names, ""], object)
    types = np.array(TYPES, object)[likely_types(found, case.witness.things)]
    image = case.images[found.image]
    areas = [[each.drawn.areas, each.regions.areas] for each in found.found]
    every = Table(
        {
            "image": np.array(case.given.maps.image_ids, object)[image],
            "segment": candidate_ids(case, image, found.row),
            "category": names[found.category],
            "seen": names[np.where(found.row < 0, found.seen, found.category)],
            "type": types,
            "probability": found.probability,
            "doubt": found.doubt,
            "pixels": np.concatenate([np.empty(0, np.int64), *(pair[sort] for sort in (0, 1) for pair in areas)]),
        }
    )
    return every.take(np.argsort(-found.probability, kind="stable"))


def candidate_ids(case: LabelCheck, image: Ints, row: Ints) -> Column:
    """(n,) the source's own id of each candidate's segment; None where nothing is annotated so."""
    segments, found = case.tables.segments, np.full(len(row), None, object)
    known = np.flatnonzero(row >= 0)
    at = case.rows.segment[case.rows.first[image[known]] + row[known]]
    number = segments["segment_id"][at].astype(object)
    found[known] = np.where(segments.missing("source_id")[at], number, segments["source_id"][at])
    return found


def misalignment_notes(case: LabelCheck, found: "RankedCandidates") -> tuple[str, ...]:
    """A note on the images whose labels all lie beside what is seen; none where there are no such images."""
    rows = np.flatnonzero(found.move.any(axis=1))
    names = [str(case.given.maps.image_ids[case.images[row]]) for row in rows.tolist()]
    ways = [describe_shift(*move) for move in found.move[rows].tolist()]
    told = [f"{name} ({way})" for name, way in zip(names, ways, strict=True)]
    if not told:
        return ()
    more = f" and {len(told) - _IMAGES_NAMED} more" if len(told) > _IMAGES_NAMED else ""
    one = "of 1 image fit" if len(told) == 1 else f"of {len(told)} images fit"
    return (
        f"all labels {one} better elsewhere: {', '.join(told[:_IMAGES_NAMED])}{more}; "
        "compare image and mask: another frame, size or crop?",
    )


def image_table(case: LabelCheck, found: "RankedCandidates") -> Table:
    """A row for each image; see `Flagged.looks`."""
    score = found.images()
    order = np.argsort(-score, kind="stable")
    names = np.array(case.given.maps.image_ids, object)[case.images]
    return Table({"image": names, "score": score, "softmin": found.softmin}).take(order)
