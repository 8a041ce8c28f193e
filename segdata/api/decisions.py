"""Decisions: the labels that findings and decisions concern, and whether these labels have changed since."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import run_ordered
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.finding_location import Annotation
from segdata.core.label_hash import hash_finding_labels
from segdata.core.paths import decision_log_path
from segdata.core.runs import Ints
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.review import decision_log
from segdata.review.apply import current_label_hash, verdicts_on_findings
from segdata.review.decision_log import review_states


def label_hashes(data: OpenDataset, findings: Sequence[Finding], jobs: int = 0) -> dict[Finding, str]:
    """The label hash of each finding (`segdata.core.label_hash`); "" for findings about no image of the dataset.

    Loads only images with findings, by `jobs` threads (0: one per core).
    """
    by_image: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.image is not None:
            by_image.setdefault(finding.image, []).append(finding)

    def batch_findings(batch: Batch) -> list[tuple[Finding, str]]:
        annotations = Annotation.split_batch(batch)
        findings_here = by_image[batch.images["image_id"][0].as_py()]
        return [(finding, hash_finding_labels(finding, annotations, data.profile)) for finding in findings_here]

    def of_rows(rows: Ints) -> list[tuple[Finding, str]]:
        return [pair for batch in single_images(data.source.load(rows)) for pair in batch_findings(batch)]

    hashes = dict.fromkeys(findings, "")
    with image_limits():
        for portion in run_ordered(of_rows, image_portions(data, by_image.keys()), jobs):
            hashes.update(portion)
    return hashes


def load_images(data: OpenDataset, names: Collection[str]) -> Iterator[Batch]:
    """Yield these images of a dataset one by one, in the order of the source."""
    for rows in image_portions(data, names):
        yield from single_images(data.source.load(rows))


def image_portions(data: OpenDataset, names: Collection[str]) -> list[Ints]:
    """The rows of these images, in portions (n,) to load at once."""
    rows_wanted = {row for row, name in enumerate(data.source.image_ids) if name in names}
    kept = (np.array([row for row in rows.tolist() if row in rows_wanted], np.int64) for rows in data.chunks())
    return [rows for rows in kept if len(rows)]


def single_images(batch: Batch) -> Iterator[Batch]:
    """Yield the images of a batch one by one."""
    for row in range(batch.images.num_rows):
        yield batch.take_images(np.array([row]))


def current_decisions(dataset: OpenDataset, decisions: Iterable[Decision]) -> list[Decision]:
    """The valid decisions in order of time: those on which reviewers agree, or that an adjudicator has settled.

    Leaves out decisions on labels that have changed since, or whose annotator is unknown. Loads only images with
    decisions.
    """
    by_image: dict[str, list[Decision]] = {}
    for state in review_states(decisions):
        decision = state.decision
        if decision is not None and decision.image is not None:
            by_image.setdefault(decision.image, []).append(decision)
    current: list[Decision] = []
    with image_limits():
        for batch in load_images(dataset, by_image.keys()):
            annotations = Annotation.split_batch(batch)
            candidates = by_image[batch.images["image_id"][0].as_py()]
            current += [decision for decision in candidates if _is_current(decision, annotations, dataset)]
    return sorted(current, key=lambda decision: decision.time)


def _is_current(decision: Decision, annotations: list[Annotation], dataset: OpenDataset) -> bool:
    """Whether the label is unchanged since the decision.

    A decision about an annotator who was named on the command line (`carl=masks/`) concerns the unnamed annotation.
    """
    name = decision.annotator or (decision.finding.annotator if decision.finding else None)
    matching = [annotation for annotation in annotations if name in (None, annotation.annotator)]
    if not matching:
        matching = [annotation for annotation in annotations if annotation.annotator is None]
    imprint = decision.imprint
    return (
        len(matching) == 1 and imprint != "" and imprint == current_label_hash(decision, matching[0], dataset.profile)
    )


def log_path(dataset: Dataset) -> Path:
    """The path of a dataset's log; raises SegdataError if the dataset is not on this machine."""
    if "://" in dataset.profile.files:
        raise SegdataError(f"{dataset.profile.files}: a review needs the dataset on this machine; convert it first")
    return decision_log_path(dataset.profile.files)


def decided_findings(
    dataset: OpenDataset, findings: Sequence[Finding], logs: Iterable[Path], jobs: int = 0
) -> dict[Finding, Verdict]:
    """The findings that reviewers have decided and whose labels are unchanged, each with its verdict."""
    decisions = [decision for path in logs for decision in decision_log.read_decisions(path)]
    return verdicts_on_findings(findings, review_states(decisions), lambda asked: label_hashes(dataset, asked, jobs))
