"""The report of a conversion: what was written, what was lost, and what could not be read."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.format import Loss
from segdata.report.diff_text import listed as differences
from segdata.report.paper import Paper
from segdata.report.text import typeable
from segdata.store.diff.proof import ConversionProof

FIRST = 5  # defects, or differences, that are shown


class Apart(Protocol):
    """How far two rules for drawing polygons are apart; see `segdata.formats.shapes.disagreement`."""

    @property
    def drawn(self) -> int:
        """Segments with polygons."""

    @property
    def differing(self) -> int:
        """Those that have other pixels by the other rule."""

    @property
    def pixels(self) -> int:
        """How many pixels these gain or lose."""


class Converted(Protocol):
    """What a conversion did; see `segdata.api.convert.Conversion`."""

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

    @property
    def proof(self) -> ConversionProof | None:
        """What reading it back has shown; None where nobody looked."""

    @property
    def certificate(self) -> Path | None:
        """The file that says what was lost; None where the target itself does."""

    @property
    def apart(self) -> Apart | None:
        """How far the source's rule and COCO's are apart; None where they are the same."""


def lost(losses: Sequence[Loss], format: str, paper: Paper) -> str:
    """What a target in this format will not have."""
    if not losses:
        return "lost: nothing\n"
    return "\n".join(_losses(losses, f"lost, as {format} cannot hold it", paper)) + "\n"


def written(done: Converted, typed: Sequence[str], paper: Paper) -> str:
    """What was written, verified and met; `typed` is the source with its options."""
    what = f"{count_noun(done.n_images, 'image')}, {count_noun(done.n_segments, 'segment')}"
    lines = [f"{paper.paint('written', 'good')} {done.target} ({done.format}), from {what}"]
    if done.certificate is not None and done.losses:
        lines.append(f"what was lost is written in {done.certificate}")
    if done.apart is not None and done.apart.drawn:
        said = f"polygons are drawn by their own format's rule; by COCO's {done.apart.differing:,} of "
        said += f"{count_noun(done.apart.drawn, 'segment')} would have other pixels ({done.apart.pixels:,} px)"
        lines += paper.wrap(said, "", "  ")
    if done.proof is not None:
        lines += _proved(done.proof, done, typed, paper)
    lines += _defects(done.defects, typed, paper)
    if done.n_errors:
        what = "error: what it concerns is" if done.n_errors == 1 else f"{done.n_errors:,} errors: what they concern is"
        said = f"{what} missing in {done.target} or not as it was meant; everything else is written"
        lines += ["", *paper.wrap(said, style="error")]
        remedy = "mend the source and convert again, or accept a code: severity or suppress in segdata.yaml"
        lines += paper.wrap(remedy)
    return "\n".join(lines) + "\n"


def _proved(proof: ConversionProof, done: Converted, typed: Sequence[str], paper: Paper) -> Iterator[str]:
    """What came back, and whether all else is a counted loss."""
    found = proof.difference
    all_same = found.n_same == found.n_kept
    what = "the same pixels, categories, attributes" if all_same else "the same pixels and categories"
    said = f"verified: {found.n_kept:,} of {count_noun(done.n_segments, 'segment')} came back with {what}"
    said += "" if all_same else f", {found.n_same:,} of them with all attributes"
    if proof.holds:
        all_ = "nothing differs but the losses that were counted" if done.losses else "nothing differs"
        yield from paper.wrap(f"{said}; {all_}", "", "  ", "good")
        return
    yield from paper.wrap(f"{said}; what differs too, and is no counted loss:", "", "  ", "error")
    for line in proof.unexplained:
        yield from paper.wrap(line, "  ", "    ")
    if proof.changes:
        yield "the first of these:"
        yield from differences(proof.changes[:FIRST], paper)
    yield from paper.wrap(f"{done.target} is kept, to be looked at:")
    yield from typeable(["segdata", "diff", typed[0], shlex.quote(str(done.target)), *typed[1:], "--strict"], paper)


def with_images(target: Path, images: Path, paper: Paper) -> list[str]:
    """A command that reads what was written together with images in a folder that it does not name."""
    words = ["segdata", "validate", shlex.quote(str(target)), f"--images {shlex.quote(str(images))}"]
    return list(typeable(words, paper))


def refused(target: str, losses: Sequence[Loss], paper: Paper) -> str:
    """What would be lost, where the user wants no loss."""
    lines = [paper.paint(f"{target}: not written", "error"), *_losses(losses, "this would be lost", paper), ""]
    return "\n".join([*lines, *paper.wrap("choose another format with --to, or accept it with --on-loss warn")]) + "\n"


def _losses(losses: Sequence[Loss], head: str, paper: Paper) -> Iterator[str]:
    """What was not wanted, what the target cannot hold, and what never arrived, each under its heading."""
    unread = [loss for loss in losses if loss.kind == "unreadable"]
    mapped = [loss for loss in losses if loss.kind == "mapped"]
    unheld = [loss for loss in losses if loss.kind not in ("unreadable", "mapped")]
    for heading, listed in (
        ("lost, as the taxonomy map says", mapped),
        (head, unheld),
        ("lost, as it could not be read", unread),
    ):
        if listed:
            yield from paper.wrap(heading, style="warning")
        for loss in listed:
            yield from paper.wrap(str(loss), "  ", "    ")


def _defects(defects: Sequence[Defect], typed: Sequence[str], paper: Paper) -> Iterator[str]:
    if not defects:
        return
    counts = ", ".join(f"{code} {count:,}" for code, count in sorted(Counter(each.code for each in defects).items()))
    yield ""
    yield from paper.wrap(f"met while reading: {count_noun(len(defects), 'defect')} ({counts})", style="warning")
    for defect in defects[:FIRST]:
        at = " ".join(filter(None, [defect.code, defect.file or defect.image, defect.place]))
        yield from paper.wrap(f"{at}: {defect.message}", "  ", "    ")
    if len(defects) > FIRST:
        yield f"  … and {len(defects) - FIRST:,} more"
    yield "all of them:"
    yield from typeable(["segdata", "validate", *typed], paper)
