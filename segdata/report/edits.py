"""Reports on written datasets: losses and their certificate, splits, samples and revisions."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import numpy as np

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import Count, Defect
from segdata.core.losses import Loss, LossKind
from segdata.core.safe_text import shell_word
from segdata.core.split_assignment import MEASURES, SplitAssignment
from segdata.report.console import Console, shorten, table
from segdata.report.diff import difference_lines
from segdata.report.encoding import encode_result, format_json, indent_json
from segdata.report.findings import command_lines, reading_defects
from segdata.store.diff.compare import ConversionProof
from segdata.store.revisions import RevisionInfo
from segdata.store.selection import ImageSample

FIRST = 5  # differences shown


class RasterRuleDifference(Protocol):
    """The differences between two raster rules for polygons; see `segdata.formats.shapes.polygons`."""

    @property
    def drawn(self) -> int:
        """The number of segments with polygons."""

    @property
    def differing(self) -> int:
        """The number of segments that have other pixels by the other rule."""

    @property
    def pixels(self) -> int:
        """The number of pixels that these segments gain or lose."""


@dataclass(frozen=True, slots=True)
class ConversionOutcome:
    """The result of a conversion; `segdata.Conversion` describes the fields."""

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
    """The losses of a target in this format."""
    if not losses:
        return "lost: nothing\n"
    return "\n".join(_loss_lines(losses, f"lost, since {format} cannot hold it", console)) + "\n"


def conversion_text(
    outcome: ConversionOutcome, typed: Sequence[str], console: Console, others: Sequence[Sequence[str]] = ()
) -> str:
    """The report of a conversion: the target, its verification, and defects of the source.

    `typed` is the source with its options, as typed; `others` are those that were merged with it.
    """
    read = f"{count_noun(outcome.n_images, 'image')}, {count_noun(outcome.n_segments, 'segment')}"
    lines = [f"{console.paint('written', 'good')} {outcome.target} ({outcome.format}), from {read}"]
    if outcome.certificate is not None and outcome.losses:
        lines.append(f"losses are listed in {outcome.certificate}")
    if outcome.apart is not None and outcome.apart.drawn:
        text = (
            f"polygons are rasterised by the rule of their format; by the rule of COCO, {outcome.apart.differing:,} of "
        )
        text += f"{count_noun(outcome.apart.drawn, 'segment')} would have other pixels ({outcome.apart.pixels:,} px)"
        lines += console.wrap(text, "", "  ")
    if outcome.proof is not None:
        lines += _verification_lines(outcome.proof, outcome, typed, console)
    lines += _defect_lines(outcome.defects, [typed, *others], console)
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
    same = "the same pixels, categories and attributes" if all_same else "the same pixels and categories"
    text = f"verified: {difference.n_kept:,} of {count_noun(outcome.n_segments, 'segment')} came back with {same}"
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
        yield from difference_lines(proof.changes[:FIRST], console)
    yield from console.wrap(f"{outcome.target} is kept for inspection:")
    yield from command_lines(["segdata", "diff", typed[0], shell_word(outcome.target), *typed[1:], "--strict"], console)


def command_with_images(target: Path, images: Path, console: Console) -> list[str]:
    """The command that reads the written file with images of a folder that the file does not name."""
    words = ["segdata", "validate", shell_word(target), f"--images {shell_word(images)}"]
    return list(command_lines(words, console))


def refusal_text(target: str, losses: Sequence[Loss], console: Console) -> str:
    """The losses that would occur, if the user allows none."""
    lines = [console.paint(f"{target}: not written", "error"), *_loss_lines(losses, "would be lost", console), ""]
    remedy = console.wrap("choose another format with --to, or accept the losses with --on-loss warn")
    return "\n".join([*lines, *remedy]) + "\n"


# The order in which losses matter: labels, then what they mean, then what describes them.
_ORDER: tuple[LossKind, ...] = (
    "image-name", "category", "void", "empty-segment", "overlap", "hole", "unlabelled", "instance", "part", "crowd",
    "track", "empty-annotation", "annotator", "spatial", "undecided",
)  # fmt: skip
_HABITUAL: frozenset[LossKind] = frozenset({"segment-id", "rings", "track-id", "category-details"})  # no pixel, no name


def _loss_lines(losses: Sequence[Loss], head: str, console: Console) -> Iterator[str]:
    """Losses by defects of the source, by the taxonomy map, and by the target format, each under a heading.

    The most important losses come first; usual losses, such as ids and points of polygons, are in one line.
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
        texts = [
            str(Loss(loss.kind, loss.of, loss.count, images=loss.images, columns=loss.columns)) for loss in habitual
        ]
        heading = "also lost, as usual, with no effect on pixels and names"
        yield from console.wrap(f"{heading}: {'; '.join(texts)}", "", "  ")


def _defect_lines(defects: Sequence[Defect], sources: Sequence[Sequence[str]], console: Console) -> Iterator[str]:
    if not defects:
        return
    yield ""
    yield from reading_defects(defects, console, lambda defect: defect.place)
    yield "to list all of them:"
    for source in sources:
        yield from command_lines(["segdata", "validate", *source], console)


class DataLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Path and format of a dataset."""

    path: str
    format: str


class LossCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of a conversion; an empty list: nothing was lost.

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


_SPLIT_LISTED = 12  # categories, those that are farthest from their shares


def split_text(assignment: SplitAssignment, n_alike: int, console: Console) -> str:
    """The parts, then the categories whose shares differ most from the wanted ones."""
    total = max(int(assignment.n_images.sum()), 1)
    rows = [
        [name, f"{n:,}", f"{n / total:.2%}", f"{share:.2%}"]
        for name, n, share in zip(
            assignment.parts, assignment.n_images.tolist(), assignment.wanted.tolist(), strict=True
        )
    ]
    lines = console.table(("part", "images", "share", "wanted"), rows)
    if assignment.n_units < int(assignment.n_images.sum()):
        largest = count_noun(assignment.largest, "image")
        text = f"{count_noun(assignment.n_units, 'group')} of images that stay together; the largest has {largest}"
        lines += console.wrap(f"{text}; {count_noun(n_alike, 'pair')} of near-duplicates", style="dim")
    for name in [name for name, n in zip(assignment.parts, assignment.n_images.tolist(), strict=True) if not n]:
        text = f"{name} has no images: there are too few images, or the groups are too large"
        lines += console.wrap(text, style="error")
    if len(assignment.categories):
        lines += ["", *_balance(assignment, console)]
    for part, names in assignment.missing.items():
        lines += console.wrap(f"{part} has no segments of: {list_names(names, 6)}")
    return "\n".join(lines) + "\n"


def _balance(assignment: SplitAssignment, console: Console) -> Iterator[str]:
    """The shares of each category by part, of images, segments and pixels; rare categories are last."""
    worst = assignment.deviation.max(axis=1)
    fewest = math.ceil(1 / assignment.wanted.min())  # images that a category needs for each part to get its share
    is_rare = assignment.counts[:, 0].sum(axis=1) < fewest
    order = np.lexsort((-worst, is_rare))
    shown = order[:_SPLIT_LISTED].tolist()
    rows = []
    for row in shown:
        cells = ["/".join(f"{share:.0%}"[:-1] for share in assignment.shares[row, measure]) for measure in range(3)]
        rows.append([assignment.categories[row], *cells, f"{worst[row]:.1%}"])
    yield from console.table((f"% in {'/'.join(assignment.parts)}", *MEASURES, "deviation"), rows)
    mean = ", ".join(
        f"{value:.2%} of {name}" for name, value in zip(MEASURES, assignment.deviation.mean(axis=0), strict=True)
    )
    note = f"Deviation: the largest difference from a wanted share; its mean over the categories is {mean}."
    if is_rare[shown].any():
        few = f"fewer than {count_noun(fewest, 'image')}"
        note += f" Categories with {few} are last: they are too few for the wanted shares."
    if len(order) > len(shown):
        note += f" {len(order) - len(shown):,} more: --format json has all."
    yield from console.wrap(note, style="dim")


class SplitPart(msgspec.Struct, frozen=True):
    """A part of a split; `wanted` is its intended share of the images."""

    name: str
    images: Count
    wanted: float


class SplitCategory(msgspec.Struct, frozen=True):
    """A category in each part, by the part's name.

    `deviation` says for images, segments and pixels how far the share of any part is from the wanted one, at most.
    """

    name: str
    images: dict[str, Count]
    segments: dict[str, Count]
    pixels: dict[str, Count]
    deviation: dict[str, float]


class SplitReport(msgspec.Struct, frozen=True, kw_only=True):
    """The split of a dataset, with all categories.

    `groups` counts groups of images that stay together, `pairs_alike` pairs that link near-duplicates. `missing` lists
    the categories that a part lacks; `revision` and `lists` name what was written.
    """

    version: Literal[1] = 1
    parts: tuple[SplitPart, ...]
    groups: Count
    largest_group: Count
    pairs_alike: Count
    categories: tuple[SplitCategory, ...]
    missing: dict[str, tuple[str, ...]]
    revision: str | None
    lists: tuple[str, ...]


def split_json(assignment: SplitAssignment, n_alike: int, revision: str | None, lists: Iterable[Path]) -> str:
    """The split as one JSON object."""
    sizes = zip(assignment.parts, assignment.n_images.tolist(), assignment.wanted.tolist(), strict=True)
    categories = []
    for name, counts, far in zip(
        assignment.categories, assignment.counts.tolist(), assignment.deviation.tolist(), strict=True
    ):
        images, segments, pixels = (dict(zip(assignment.parts, measured, strict=True)) for measured in counts)
        categories.append(SplitCategory(name, images, segments, pixels, dict(zip(MEASURES, far, strict=True))))
    report = SplitReport(
        parts=tuple(SplitPart(*size) for size in sizes),
        groups=assignment.n_units,
        largest_group=assignment.largest,
        pairs_alike=n_alike,
        categories=tuple(categories),
        missing={part: tuple(names) for part, names in assignment.missing.items()},
        revision=revision,
        lists=tuple(map(str, lists)),
    )
    return indent_json(encode_result(report))


_SAMPLE_LISTED = 15  # categories, the rarest


def sample_text(draw: ImageSample, console: Console) -> str:
    """The number of images, and of segments of each category, the rarest first."""
    lines = [f"{count_noun(len(draw.images), 'image')} of {draw.of:,} drawn"]
    if draw.wanted:
        n = len(draw.categories)
        text = f"{n - len(draw.short)} of {count_noun(n, 'category')} have {draw.wanted} segments or more"
        few = draw.drawn < draw.wanted
        all_drawn = few.any() and (draw.drawn[few] == draw.segments[few]).all()
        lines += console.wrap(f"{text}{', or all that exist' if all_drawn else ''}")
    if draw.strata:
        lines += [
            "",
            *console.table(("stratum", "images", "drawn"), [[a, f"{b:,}", f"{c:,}"] for a, b, c in draw.strata]),
        ]
    order = np.lexsort((draw.segments, draw.drawn))
    listed = [
        [shorten(draw.categories[row], 40), f"{draw.segments[row]:,}", f"{draw.drawn[row]:,}"]
        for row in order[:_SAMPLE_LISTED].tolist()
    ]
    if listed:
        lines += ["", *console.table(("category", "segments", "drawn"), listed)]
    if len(order) > _SAMPLE_LISTED:
        lines += console.wrap(f"{len(order) - _SAMPLE_LISTED} other categories have more", style="dim")
    return "\n".join(lines) + "\n"


class SampledCategory(msgspec.Struct, frozen=True):
    """The segments of a category in all images, and in those drawn."""

    name: str
    segments: Count
    drawn: Count


class SampledStratum(msgspec.Struct, frozen=True):
    """The images of a stratum, and how many of them were drawn."""

    name: str
    images: Count
    drawn: Count


class SampleReport(msgspec.Struct, frozen=True, kw_only=True):
    """The images of a sample, drawn `of` all images, with `wanted` segments of each category, 0 for a pilot.

    `target` is the dataset that was written; it is left out if none was.
    """

    version: Literal[1] = 1
    images: tuple[str, ...]
    of: Count
    wanted: Count
    categories: tuple[SampledCategory, ...]
    strata: tuple[SampledStratum, ...]
    target: str | msgspec.UnsetType = msgspec.UNSET


def sample_json(draw: ImageSample, target: Path | None = None) -> str:
    """The sample as one JSON object, with the images."""
    counts = zip(draw.categories, draw.segments.tolist(), draw.drawn.tolist(), strict=True)
    report = SampleReport(
        images=draw.images,
        of=draw.of,
        wanted=draw.wanted,
        categories=tuple(SampledCategory(*row) for row in counts),
        strata=tuple(SampledStratum(*row) for row in draw.strata),
        target=msgspec.UNSET if target is None else str(target),
    )
    return indent_json(encode_result(report))


def history_text(revisions: Sequence[RevisionInfo], console: Console) -> str:
    """A line for each revision, the current one marked, and below it the command that made it."""
    rows = [
        [
            f"{'*' if revision.current else ' '} {revision.name}",
            f"{revision.created:%Y-%m-%d %H:%M}",
            "deleted" if revision.images is None else f"{revision.images:,}",
            "deleted" if revision.segments is None else f"{revision.segments:,}",
            format_bytes(revision.size),
            format_bytes(revision.own),
        ]
        for revision in revisions
    ]
    head, *lines = table(("  revision", "made (UTC)", "images", "segments", "size", "its own"), rows, left=(0, 1))
    text = [console.paint(head, "bold")]
    for revision, line in zip(revisions, lines, strict=True):
        base = f", from {revision.parent}" if revision.parent else ""
        text += [
            console.paint(line, "good" if revision.current else None),
            *console.wrap(revision.what + base, "    ", "    "),
        ]
    return "\n".join(text) + "\n"


class HistoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """The revisions of a canonical dataset, the first one first."""

    version: Literal[1] = 1
    revisions: tuple[RevisionInfo, ...]


def history_json(revisions: Sequence[RevisionInfo]) -> str:
    """The revisions as one JSON object, `HistoryReport`."""
    rows = [{**asdict(revision), "created": revision.created.isoformat()} for revision in revisions]
    return indent_json({"version": 1, "revisions": rows})


def format_bytes(size: int) -> str:
    """Format a size in bytes with a unit.

    >>> format_bytes(999), format_bytes(1_234_567)
    ('999 B', '1.2 MB')
    """
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"
