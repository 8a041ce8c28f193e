"""Proposed: the tolerance of boundaries that images which somebody annotated twice propose."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProposedTolerance:
    """How far apart the boundaries are that annotators draw of the same twice: what a tolerance should allow for.

    Attributes
    ----------
    unit : of `value`: ``mm`` where the spacing is known, else ``px``
    value : the median over all boundaries of the 95th percentile of the distances between both drawings
    annotators : who annotated images twice
    images : how many of them; of a volume every slice; an image counts once for each annotator
    boundaries : of how many segments, or categories in an image where these are not counted one by one
    """

    unit: str
    value: float
    annotators: tuple[str, ...]
    images: int
    boundaries: int
