"""The report of a conversion: what was written, what was lost, and what could not be read."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from segdata.core.counted import counted
from segdata.core.defect import Defect
from segdata.core.loss import Loss
from segdata.report.paper import Paper
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
        """How many images were read."""

    @property
    def n_segments(self) -> int:
        """How many segments were read."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the format could not hold, and what could not be read."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What the reader met."""

    @property
    def verified(self) -> int | None:
        """How many segments came back unchanged; None where nobody looked."""

    @property
    def n_errors(self) -> int:
        """How many of the defects are errors."""


def written(done: Converted, typed: Sequence[str], paper: Paper, *, quiet: bool = False) -> str:
    """What was written, verified, lost and met; `typed` is the source with its options, `quiet` leaves out losses."""
    what = f"{counted(done.n_images, 'image')}, {counted(done.n_segments, 'segment')}"
    lines = [f"{paper.paint('written', 'good')} {done.target} ({done.format}), from {what}"]
    if done.verified is not None:
        same = done.verified == done.n_segments
        said = f"verified: {done.verified:,} of {counted(done.n_segments, 'segment')} come back pixel for pixel"
        lines += paper.wrap(said, style="good" if same else "warning")
    if done.losses and not quiet:
        lines += ["", *_losses(done.losses, f"lost, as {done.format} cannot hold it", paper)]
    elif not done.losses:
        lines.append("lost: nothing")
    lines += _defects(done.defects, typed, paper)
    if done.n_errors:
        what = "error: what it concerns is" if done.n_errors == 1 else f"{done.n_errors:,} errors: what they concern is"
        said = f"{what} missing in {done.target} or not as it was meant; everything else is written"
        lines += ["", *paper.wrap(said, style="error")]
        remedy = "mend the source and convert again, or accept a code: severity or suppress in segdata.yaml"
        lines += paper.wrap(remedy)
    return "\n".join(lines) + "\n"


def with_images(target: Path, images: Path, paper: Paper) -> list[str]:
    """A command that reads what was written together with images in a folder that it does not name."""
    words = ["segdata", "validate", shlex.quote(str(target)), f"--images {shlex.quote(str(images))}"]
    return list(typeable(words, paper))


def refused(target: str, losses: Sequence[Loss], paper: Paper) -> str:
    """What would be lost, where the user wants no loss."""
    lines = [paper.paint(f"{target}: not written", "error"), *_losses(losses, "this would be lost", paper), ""]
    return "\n".join([*lines, *paper.wrap("choose another format with --to, or accept it with --on-loss warn")]) + "\n"


def _losses(losses: Sequence[Loss], head: str, paper: Paper) -> Iterator[str]:
    """What the target cannot hold, under its heading; then what never arrived."""
    unread = [loss for loss in losses if loss.kind == "unreadable"]
    unheld = [loss for loss in losses if loss.kind != "unreadable"]
    for heading, listed in ((head, unheld), ("lost, as it could not be read", unread)):
        if listed:
            yield from paper.wrap(heading, style="warning")
        for loss in listed:
            yield from paper.wrap(str(loss), "  ", "    ")


def _defects(defects: Sequence[Defect], typed: Sequence[str], paper: Paper) -> Iterator[str]:
    if not defects:
        return
    counts = ", ".join(f"{code} {count:,}" for code, count in sorted(Counter(each.code for each in defects).items()))
    yield ""
    yield from paper.wrap(f"met while reading: {counted(len(defects), 'defect')} ({counts})", style="warning")
    for defect in defects[:FIRST]:
        at = " ".join(filter(None, [defect.code, defect.file or defect.image, defect.place]))
        yield from paper.wrap(f"{at}: {defect.message}", "  ", "    ")
    if len(defects) > FIRST:
        yield f"  … and {len(defects) - FIRST:,} more"
    yield "all of them:"
    yield from typeable(["segdata", "validate", *typed], paper)
