"""Conversion: what was written, what was lost, what could not be read, and the certificate that records it."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec

from segdata.core.errors import count_noun
from segdata.core.finding import Defect
from segdata.core.format import Loss
from segdata.report.console import Console
from segdata.report.diff import difference_lines as differences
from segdata.report.findings_text import command_lines
from segdata.store.diff.proof import ConversionProof

FIRST = 5  # defects, or differences, that are shown


class RasterRuleDifference(Protocol):
    """How far two rules for drawing polygons are apart; see `segdata.formats.shapes.source_polygons`."""

    @property
    def drawn(self) -> int:
        """Segments with polygons."""

    @property
    def differing(self) -> int:
        """Those that have other pixels by the other rule."""

    @property
    def pixels(self) -> int:
        """How many pixels these gain or lose."""


class ConversionOutcome(Protocol):
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
    def apart(self) -> RasterRuleDifference | None:
        """How far the source's rule and COCO's are apart; None where they are the same."""


def losses_text(losses: Sequence[Loss], format: str, paper: Console) -> str:
    """What a target in this format will not have."""
    if not losses:
        return "lost: nothing\n"
    return "\n".join(_loss_lines(losses, f"lost, as {format} cannot hold it", paper)) + "\n"


def conversion_text(done: ConversionOutcome, typed: Sequence[str], paper: Console) -> str:
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
        lines += _verification_lines(done.proof, done, typed, paper)
    lines += _defect_lines(done.defects, typed, paper)
    if done.n_errors:
        what = "error: what it concerns is" if done.n_errors == 1 else f"{done.n_errors:,} errors: what they concern is"
        said = f"{what} missing in {done.target} or not as it was meant; everything else is written"
        lines += ["", *paper.wrap(said, style="error")]
        remedy = "mend the source and convert again, or accept a code: severity or suppress in segdata.yaml"
        lines += paper.wrap(remedy)
    return "\n".join(lines) + "\n"


def _verification_lines(
    proof: ConversionProof, done: ConversionOutcome, typed: Sequence[str], paper: Console
) -> Iterator[str]:
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
    yield from command_lines(
        ["segdata", "diff", typed[0], shlex.quote(str(done.target)), *typed[1:], "--strict"], paper
    )


def command_with_images(target: Path, images: Path, paper: Console) -> list[str]:
    """A command that reads what was written together with images in a folder that it does not name."""
    words = ["segdata", "validate", shlex.quote(str(target)), f"--images {shlex.quote(str(images))}"]
    return list(command_lines(words, paper))


def refusal_text(target: str, losses: Sequence[Loss], paper: Console) -> str:
    """What would be lost, where the user wants no loss."""
    lines = [paper.paint(f"{target}: not written", "error"), *_loss_lines(losses, "this would be lost", paper), ""]
    return "\n".join([*lines, *paper.wrap("choose another format with --to, or accept it with --on-loss warn")]) + "\n"


def _loss_lines(losses: Sequence[Loss], head: str, paper: Console) -> Iterator[str]:
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


def _defect_lines(defects: Sequence[Defect], typed: Sequence[str], paper: Console) -> Iterator[str]:
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
    yield from command_lines(["segdata", "validate", *typed], paper)


VERSION: Literal[1] = 1
CERTIFICATE_NAME = "losses.json"
Count = Annotated[int, msgspec.Meta(ge=0)]


class DataLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Where data are, and in which format."""

    path: str
    format: str


class LossRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of loss: `count` counts what `of` says, `pixels` those that changed their meaning.

    `images` is in how many images, where that is known. `examples` are the first few, as "image: segment id".
    """

    kind: str
    of: str
    count: Count
    pixels: Count
    images: Count | None
    examples: tuple[str, ...]


class LossCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion could not carry over; an empty list: nothing was lost.

    `source` is an absolute path or a URI, `target` the name of the file or folder that was written. `images` and
    `segments` are those that were read. `defects` counts by code what was met while reading.
    """

    version: Literal[1]
    source: DataLocation
    target: DataLocation
    images: Count
    segments: Count
    losses: tuple[LossRow, ...]
    defects: dict[str, Count]


def certificate_json(
    source: DataLocation,
    target: DataLocation,
    n_images: int,
    n_segments: int,
    losses: Iterable[Loss],
    defects: Iterable[Defect],
) -> str:
    """The certificate as JSON, a line per loss; the same conversion gives the same text."""
    whole = LossCertificate(
        version=VERSION,
        source=source,
        target=target,
        images=n_images,
        segments=n_segments,
        losses=tuple(
            LossRow(
                kind=loss.kind,
                of=loss.of,
                count=loss.count,
                pixels=loss.pixels,
                images=loss.images,
                examples=tuple(loss.examples),
            )
            for loss in losses
        ),
        defects=dict(sorted(Counter(defect.code for defect in defects).items())),
    )
    plain: dict[str, Any] = msgspec.to_builtins(whole)  # Any: JSON
    lines = [
        f"  {_text(name)}: {_json_lines(value) if name == 'losses' else _text(value)}" for name, value in plain.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def certificate_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the certificate."""
    return msgspec.json.schema(LossCertificate)


def _json_lines(items: Iterable[object]) -> str:
    """A list with an item a line."""
    rows = ",\n".join(f"    {_text(item)}" for item in items)
    return f"[\n{rows}\n  ]" if rows else "[]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
