"""Suspected: what models that had not seen an image say against its labels, as rows that rules filter."""

from dataclasses import dataclass

from segdata.core.correction import Correction
from segdata.core.table import Table


@dataclass(frozen=True, slots=True)
class Suspected:
    """Everything in a dataset that may be wrong, with the probability that it is.

    Attributes
    ----------
    suspects : annotation, segment (rows; segment is -1 where nothing is annotated so), type ("missing", "extra",
        "category", "boundary", "merge", "split" or "shift"), probability (that the label is wrong), category, seen
        (names: as given and as the model sees it; "" for nothing), x, y, width, height, pixels (of what is suspected),
        flagged (whether it is above the threshold of a category that is to be trusted, and within the budget)
    corrections : one for each suspect
    """

    suspects: Table
    corrections: tuple[Correction, ...]
