"""The report of a conversion: what was written, what was lost, and what could not be read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from segdata.core.defect import Defect
from segdata.core.loss import Loss
from segdata.report.paper import Paper, plural
from segdata.report.text import typeable

FIRST = 5  # defects that are shown


class Converted(Protocol):
    """What a conversion did; see `segdata.api.Conversion`."""

    @property
    def target(self) -> Path:
        """What was written."""

    @property
    def format(self) -> str:
        """In which format."""

    @property
    def n_images(self) -> int:
        """How many images were written."""

    @property
    def n_segments(self) -> int:
        """How many segments were written."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the format could not hold, and what could not be read."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What the reader met."""

    @property
    def verified(self) -> int | None:
        """How many segments came back unchanged; None where nobody looked."""


def written(done: Converted, typed: Sequence[str], paper: Paper, *, quiet: bool = False) -> str:
    """What was written, verified, lost and met; `typed` is the source with its options, `quiet` leaves out losses."""
    what = f"{plural(done.n_images, 'image')}, {plural(done.n_segments, 'segment')}"
    lines = [f"{paper.paint('written', 'good')} {done.target} ({done.format}): {what}"]
    if done.verified is not None:
        same = done.verified == done.n_segments
        said = f"verified: {done.verified:,} of {plural(done.n_segments, 'segment')} come back pixel for pixel"
        lines += paper.wrap(said, style="good" if same else "warning")
    if done.losses and not quiet:
        lines += ["", paper.paint(f"lost ({done.format} cannot hold it, or it could not be read)", "warning")]
        lines += _losses(done.losses, paper)
    elif not done.losses:
        lines.append("lost: nothing")
    lines += _defects(done.defects, typed, paper)
    return "\n".join(lines) + "\n"


def refused(target: str, losses: Sequence[Loss], paper: Paper) -> str:
    """What would be lost, where the user wants no loss."""
    lines = [paper.paint(f"{target}: not written, this would be lost", "error"), *_losses(losses, paper), ""]
    return "\n".join([*lines, *paper.wrap("choose another format with --to, or accept it with --on-loss warn")]) + "\n"


def _losses(losses: Sequence[Loss], paper: Paper) -> Iterator[str]:
    for loss in losses:
        yield from paper.wrap(str(loss), "  ", "    ")


def _defects(defects: Sequence[Defect], typed: Sequence[str], paper: Paper) -> Iterator[str]:
    if not defects:
        return
    counts = ", ".join(f"{code} {count:,}" for code, count in sorted(Counter(each.code for each in defects).items()))
    yield ""
    yield from paper.wrap(f"met while reading: {plural(len(defects), 'defect')} ({counts})", style="warning")
    for defect in defects[:FIRST]:
        at = " ".join(filter(None, [defect.code, defect.file or defect.image, defect.place]))
        yield from paper.wrap(f"{at}: {defect.message}", "  ", "    ")
    if len(defects) > FIRST:
        yield f"  … and {len(defects) - FIRST:,} more"
    yield "all of them:"
    yield from typeable(["segdata", "validate", *typed], paper)
