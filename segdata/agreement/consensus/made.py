"""Made: what became of several annotators' work, as the result that reports are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.agreement.consensus.leave_one_out import AgainstOthers
from segdata.agreement.consensus.method import Name
from segdata.core.finding import Defect
from segdata.core.format import Loss

Undecided = Literal["void", "list"]


@dataclass(frozen=True, slots=True)
class Consensus:
    """What became of several annotators' work.

    Attributes
    ----------
    target : the dataset that was made
    method, min_support, undecided : how
    annotators : whose work it is
    n_images, n_segments : of the new dataset
    alone : images that fewer than two annotated, by image_id: they are not annotated in it
    n_drawn : segments by all annotators on the other images
    n_rejected : things that too few of them drew: they are left out
    n_disputed : things in dispute, which are part of the regions
    n_regions : connected regions without a consensus
    pixels_undecided, pixels_labelled : of these regions, and of all that anybody labelled
    void : the category of these regions; None: they are listed instead, and unlabelled
    is_void_new : no dataset had such a category
    losses : the same, as dataset.yaml has it
    against : each annotator against the consensus of the others; none where nobody asked
    defects : what was met while reading, and what the datasets do not have in common
    n_errors : defects that `validate` calls errors: what they concern may be missing
    remarks : what could not be copied
    """

    target: Path
    method: Name
    min_support: float
    undecided: Undecided
    annotators: tuple[str, ...]
    n_images: int
    n_segments: int
    alone: tuple[str, ...]
    n_drawn: int
    n_rejected: int
    n_disputed: int
    n_regions: int
    pixels_undecided: int
    pixels_labelled: int
    void: str | None
    is_void_new: bool
    losses: tuple[Loss, ...]
    against: tuple[AgainstOthers, ...]
    defects: tuple[Defect, ...] = ()
    n_errors: int = 0
    remarks: tuple[str, ...] = ()
