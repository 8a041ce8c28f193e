"""Conversion: what was written, what was lost, what could not be read, and the certificate that records it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from segdata.core.errors import count_noun
from segdata.core.finding import Count, Defect
from segdata.core.format import Loss, LossKind
from segdata.core.safe_text import shell_word
from segdata.report.console import Console
from segdata.report.diff import difference_lines as differences
from segdata.report.encoding import encode_result, format_json
from segdata.report.findings import command_lines
from segdata.store.diff.compare import ConversionProof

FIRST = 5  # defects or differences shown


class RasterRuleDifference(Protocol):
    """How much two raster rules for polygons differ; see `segdata.formats.shapes.source_polygons`."""

    @property
    def drawn(self) -> int:
        """Segments with polygons."""

    @property
    def differing(self) -> int:
        """Segments that have other pixels by the other rule."""

    @property
    def pixels(self) -> int:
        """Pixels that these segments gain or lose."""


@dataclass(frozen=True, slots=True)
class ConversionOutcome:
    """The result of a conversion.

    Attributes
    ----------
    target, format : what was written, and its format
    n_images, n_segments : how many were read; `losses` tells what of them the target does not have
    losses : what the target format could not hold, and what could not be read
    defects : of the source; `validate` turns these into findings
    verified : how many segments came back with the same image, category and pixels; None: not asked for
    n_errors : how many of the defects `validate` calls errors; what they concern may be missing or wrong
    proof : whether anything differs that no counted loss explains; None: not asked for
    certificate : the file that lists the losses; None if dataset.yaml does
    apart : how far the source's own rule for drawing polygons and COCO's are apart; None if they are the same
    not_copied : with `copy_images`, a line for each reason why images were not copied, or not put where programs look
    """

    target: Path
    format: str
    n_images: int
    n_segments: int
    losses: tuple[Loss, ...]
    defects: tuple[Defect, ...]
    verified: int | None = None
    n_errors: int = 0
    proof: ConversionProof | None = None
    certificate: Path | None = None
    apart: RasterRuleDifference | None = None
    not_copied: tuple[str, ...] = ()


def losses_text(losses: Sequence[Loss], format: str, console: Console) -> str:
    """What a target in this format cannot hold."""
    if not losses:
        return "lost: nothing\n"
    return "\n".join(_loss_lines(losses, f"lost, since {format} cannot hold it", console)) + "\n"


def conversion_text(outcome: ConversionOutcome, typed: Sequence[str], console: Console) -> str:
    """What was written and verified, and which defects the source has; `typed` is the source with its options."""
    what = f"{count_noun(outcome.n_images, 'image')}, {count_noun(outcome.n_segments, 'segment')}"
    lines = [f"{console.paint('written', 'good')} {outcome.target} ({outcome.format}), from {what}"]
    if outcome.certificate is not None and outcome.losses:
        lines.append(f"losses are listed in {outcome.certificate}")
    if outcome.apart is not None and outcome.apart.drawn:
        text = (
            f"polygons are rasterized by the rule of their format; by the rule of COCO, {outcome.apart.differing:,} of "
        )
        text += f"{count_noun(outcome.apart.drawn, 'segment')} would have other pixels ({outcome.apart.pixels:,} px)"
        lines += console.wrap(text, "", "  ")
    if outcome.proof is not None:
        lines += _verification_lines(outcome.proof, outcome, typed, console)
    lines += _defect_lines(outcome.defects, typed, console)
    if outcome.n_errors:
        errors = "the affected labels may be missing or changed"
        text = f"{count_noun(outcome.n_errors, 'error')}: {errors} in {outcome.target}; everything else is written"
        lines += ["", *console.wrap(text, style="error")]
        remedy = "fix the source and convert again, or accept a code: severity or suppress in segdata.yaml"
        lines += console.wrap(remedy)
    return "\n".join(lines) + "\n"


def _verification_lines(
    proof: ConversionProof, outcome: ConversionOutcome, typed: Sequence[str], console: Console
) -> Iterator[str]:
    difference = proof.difference
    all_same = difference.n_same == difference.n_kept
    what = "the same pixels, categories, attributes" if all_same else "the same pixels and categories"
    text = f"verified: {difference.n_kept:,} of {count_noun(outcome.n_segments, 'segment')} came back with {what}"
    text += "" if all_same else f", {difference.n_same:,} of them with all attributes"
    if proof.holds:
        all_ = "only the reported losses differ" if outcome.losses else "nothing differs"
        yield from console.wrap(f"{text}; {all_}", "", "  ", "good")
        return
    yield from console.wrap(f"{text}; other differences, beyond the reported losses:", "", "  ", "error")
    for line in proof.unexplained:
        yield from console.wrap(line, "  ", "    ")
    if proof.changes:
        yield "the first of them:"
        yield from differences(proof.changes[:FIRST], console)
    yield from console.wrap(f"{outcome.target} is kept for inspection:")
    yield from command_lines(["segdata", "diff", typed[0], shell_word(outcome.target), *typed[1:], "--strict"], console)


def command_with_images(target: Path, images: Path, console: Console) -> list[str]:
    """A command that reads the written file with the images of a folder that it does not name."""
    words = ["segdata", "validate", shell_word(target), f"--images {shell_word(images)}"]
    return list(command_lines(words, console))


def refusal_text(target: str, losses: Sequence[Loss], console: Console) -> str:
    """What would be lost, if the user allows no loss."""
    lines = [console.paint(f"{target}: not written", "error"), *_loss_lines(losses, "would be lost", console), ""]
    remedy = console.wrap("choose another format with --to, or accept the losses with --on-loss warn")
    return "\n".join([*lines, *remedy]) + "\n"


# The order in which losses matter: labels, then what they mean, then what describes them.
_ORDER: tuple[LossKind, ...] = (
    "category", "void", "empty-segment", "overlap", "hole", "unlabelled", "instance", "part", "crowd", "track",
    "empty-annotation", "annotator", "spatial", "undecided",
)  # fmt: skip
_HABITUAL: frozenset[LossKind] = frozenset({"segment-id", "rings", "track-id", "category-details"})  # no pixel, no name


def _loss_lines(losses: Sequence[Loss], head: str, console: Console) -> Iterator[str]:
    """Losses by defects of the source, by the taxonomy map, and by the target format, each under a heading.

    What matters most comes first; what nearly every conversion loses, such as ids and points of polygons, is one line.
    """
    unread = [loss for loss in losses if loss.kind == "unreadable"]
    mapped = [loss for loss in losses if loss.kind == "mapped"]
    unheld = [loss for loss in losses if loss.kind not in ("unreadable", "mapped", *_HABITUAL)]
    unheld.sort(key=lambda loss: _ORDER.index(loss.kind) if loss.kind in _ORDER else len(_ORDER))
    habitual = [loss for loss in losses if loss.kind in _HABITUAL]
    for heading, listed in (
        ("lost, since it could not be read", unread),
        ("lost by the taxonomy map", mapped),
        (head, unheld),
    ):
        if listed:
            yield from console.wrap(heading, style="warning")
        for loss in listed:
            yield from console.wrap(str(loss), "  ", "    ")
    if habitual:
        texts = [str(Loss(loss.kind, loss.of, loss.count, images=loss.images)) for loss in habitual]
        heading = "also lost, as usual, with no effect on pixels and names"
        yield from console.wrap(f"{heading}: {'; '.join(texts)}", "", "  ")


def _defect_lines(defects: Sequence[Defect], typed: Sequence[str], console: Console) -> Iterator[str]:
    if not defects:
        return
    counts = ", ".join(
        f"{code} {count:,}" for code, count in sorted(Counter(defect.code for defect in defects).items())
    )
    yield ""
    yield from console.wrap(f"noticed while reading: {counts}", style="warning")
    for defect in defects[:FIRST]:
        location = " ".join(filter(None, [defect.code, defect.file or defect.image, defect.place]))
        yield from console.wrap(f"{location}: {defect.message}", "  ", "    ")
    if len(defects) > FIRST:
        yield f"  … and {len(defects) - FIRST:,} more"
    yield "to list all of them:"
    yield from command_lines(["segdata", "validate", *typed], console)


CERTIFICATE_NAME = "losses.json"


class DataLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Path and format of a dataset."""

    path: str
    format: str


class LossCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion could not carry over; an empty list: nothing was lost.

    `source` is an absolute path or a URI, `target` the name of the file or folder that was written. `images` and
    `segments` count what was read. `defects` counts the defects of the source by code.
    """

    version: Literal[1] = 1
    source: DataLocation
    target: DataLocation
    images: Count
    segments: Count
    losses: tuple[Loss, ...]
    defects: dict[str, Count]


def certificate_json(
    source: DataLocation,
    target: DataLocation,
    n_images: int,
    n_segments: int,
    losses: Iterable[Loss],
    defects: Iterable[Defect],
) -> str:
    """The certificate as JSON, one line per loss; the same conversion gives the same text."""
    certificate = LossCertificate(
        source=source,
        target=target,
        images=n_images,
        segments=n_segments,
        losses=tuple(losses),
        defects=dict(sorted(Counter(defect.code for defect in defects).items())),
    )
    return format_json(encode_result(certificate))
