"""Holding: what reviewers have decided of the labels of a dataset as they are now."""

from collections.abc import Iterable

from segdata.api.imprinting import images_named
from segdata.core.annotation import Annotation
from segdata.core.dataset import Dataset
from segdata.core.decision import Decision
from segdata.formats.shared.images import image_limits
from segdata.review.applied import imprint_now
from segdata.review.standing import latest


def holding(dataset: Dataset, decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that hold, in the order of time: what reviewers agree on, or an adjudicator has settled.

    Of labels that have changed since, and of those that nobody knows whose they are, nothing is said any more. Only
    the images that somebody has decided on are loaded.
    """
    about: dict[str, list[Decision]] = {}
    for standing in latest(decisions):
        each = standing.decision
        if each is not None and each.image is not None:
            about.setdefault(each.image, []).append(each)
    found: list[Decision] = []
    with image_limits():
        for batch in images_named(dataset, about.keys()):
            annotations = Annotation.each(batch)
            asked = about[batch.images["image_id"][0].as_py()]
            found += [each for each in asked if _is_current(each, annotations, dataset)]
    return sorted(found, key=lambda each: each.time)


def _is_current(decision: Decision, annotations: list[Annotation], dataset: Dataset) -> bool:
    """Whether the label is the one that the reviewer saw."""
    name = decision.annotator or (decision.finding.annotator if decision.finding else None)
    whose = [each for each in annotations if name in (None, each.annotator)]
    seen = decision.imprint
    return len(whose) == 1 and seen != "" and seen == imprint_now(decision, whose[0], dataset.profile)
