"""Differences between two datasets, or two taxonomies, as text and as JSON.

`schemas/difference.schema.json` is made from these types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from segdata.core.errors import count_noun
from segdata.report.console import Console, display_width, shorten, table
from segdata.report.findings_text import command_lines
from segdata.store.diff.difference import (
    KIND_SUMMARIES,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceKind,
    KindCount,
    kind_unit,
)
from segdata.store.taxonomy_diff import TAXONOMY_CHANGE_KINDS, TaxonomyDifference

FIRST = 3  # differences of each kind that are shown
MOST_MOVES = 8  # pairs of categories that are shown


def diff_text(found: Difference, typed: Sequence[str], paper: Console, first: int = FIRST) -> str:
    """The report, in lines of at most `paper.width` columns; `typed`: A, B and their options as one would type them."""
    lines = [*_head(found, paper), ""]
    for kind, count in found.telling.items():
        shown = [change for change in found.changes if change.kind == kind][:first]
        lines += [*_group(kind, count, shown, paper), ""]
    moves = list(_moves(found, paper))
    lines += [*moves, ""] if moves else []
    lines += _totals(found, paper)
    if not found.same:
        lines += ["", paper.paint("next", "bold"), *command_lines(["segdata", "diff", *typed, "--format json"], paper)]
        lines += paper.wrap("every difference, for a program", "      ", style="dim")
    return "\n".join(lines) + "\n"


def difference_lines(changes: Sequence[DatasetChange], paper: Console) -> Iterator[str]:
    """Differences, each in a line or two: where, and what."""
    for change in changes:
        yield from _where(change, paper)
        yield from paper.wrap(change.message, "    ")


def _head(found: Difference, paper: Console) -> Iterator[str]:
    yield paper.paint("segdata diff", "bold")
    for name, half in (("A", found.a), ("B", found.b)):
        yield paper.paint(f"  {name}  {shorten(half.files, paper.width - 5)}", "bold")
        yield from paper.wrap(_side_text(half), "     ", style="dim")
    if found.paired_by != "id":
        what = {"stem": "their ids without extension", "name": "their file names without folder and extension"}
        said = f"no image has the same id in both; they are paired by {what[found.paired_by]}"
        yield from paper.wrap(said, "  ", style="warning")


def _side_text(half: DatasetSide) -> str:
    size = f"{half.format}: {count_noun(half.n_images, 'image')}, {count_noun(half.n_segments, 'segment')}"
    if not half.defects:
        return size
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(half.defects.items()))
    return f"{size}; met while reading: {count_noun(sum(half.defects.values()), 'defect')} ({codes})"


def _group(kind: DifferenceKind, count: KindCount, shown: Sequence[DatasetChange], paper: Console) -> Iterator[str]:
    facts = count_noun(count.n, kind_unit(kind))
    if count.images and kind_unit(kind) != "image":
        facts += f" in {count_noun(count.images, 'image')}"
    if count.pixels:
        facts += f", {count.pixels:,} px"
    yield from paper.pieces((f"{kind}:", "bold"), (facts, None))
    yield from paper.wrap(KIND_SUMMARIES[kind], "  ", style="dim")
    yield from difference_lines(shown, paper)
    if count.n > len(shown):
        yield f"  … and {count.n - len(shown):,} more"


def _where(change: DatasetChange, paper: Console) -> list[str]:
    """Image, category and id, box, annotator."""
    ids = [change.segment_a, change.segment_b]
    told = dict.fromkeys(str(each) for each in ids if each is not None)
    names = dict.fromkeys(each for each in (change.category_a, change.category_b) if each is not None)
    # A category that differs is in the message, with what it became.
    thing = " ".join([*list(names)[:1], " / ".join(told)]).strip()
    box = change.bbox and "at x {}, y {}, {} x {} px".format(*change.bbox)
    who = change.annotator and f"by {change.annotator}"
    rest = ", ".join(filter(None, [thing, box, who]))
    room = paper.width - 2
    image = change.image and shorten(change.image, max(room - (display_width(rest) + 2 if rest else 0), 24))
    return paper.wrap(": ".join(filter(None, [image, rest])), "  ", "    ", "where")


def _moves(found: Difference, paper: Console) -> Iterator[str]:
    """From which category to which pixels went."""
    if not found.moves:
        return
    yield from paper.pieces(("pixels by category:", "bold"), ("in A, and in B", "dim"))
    rows = [
        [shorten(a or "nothing", 30), "->", shorten(b or "nothing", 30), f"{pixels:,} px"]
        for (a, b), pixels in list(found.moves.items())[:MOST_MOVES]
    ]
    yield from (f"  {line}" for line in table(["", "", "", ""], rows, left=(0, 1, 2))[1:])
    if len(found.moves) > MOST_MOVES:
        yield f"  … and {count_noun(len(found.moves) - MOST_MOVES, 'more pair')} of categories"


def _totals(found: Difference, paper: Console) -> Iterator[str]:
    n_a, n_b = found.a.n_segments, found.b.n_segments
    pairs = count_noun(found.n_images, "image")
    if found.same:
        alike = f"{pairs}, {count_noun(n_a, 'segment')}: the same pixels, categories and attributes"
        yield from paper.pieces(("same:", "good"), (alike, None))
    else:
        yield from paper.pieces(
            ("different:", "error"), (count_noun(len(found.telling), "kind") + " of difference", None)
        )
        kept = f"{found.n_kept:,} of {n_a:,} segments of A have the same pixels and category in B"
        same = f"{found.n_same:,} are the same in everything" if found.n_same != found.n_kept else "and all else"
        extra = f"; B has {n_b:,}" if n_a != n_b else ""
        yield from paper.wrap(f"{pairs} compared; {kept}, {same}{extra}")
    if found.quiet:
        counts = ", ".join(f"{kind} {count.n:,}" for kind, count in found.quiet.items())
        yield from paper.wrap(f"counted only (--strict makes them differences): {counts}", style="dim")


VERSION: Literal[1] = 1
NonNegative = Annotated[int, msgspec.Meta(ge=0)]


class DiffSide(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two datasets as it was read: what it was read from, and the defects that were met, by code."""

    dataset: str
    format: str
    images: NonNegative
    segments: NonNegative
    defects: dict[str, NonNegative]


class KindRow(msgspec.Struct, frozen=True, kw_only=True):
    """How often a kind of difference occurs, in how many images, and how many pixels are concerned."""

    count: NonNegative
    images: NonNegative
    pixels: NonNegative


class DiffSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How much was compared, and what differs, whatever is listed.

    `images` counts pairs, `paired_by` says what their ids have in common. Of the segments of A, `kept` have the same
    image, category and pixels in B, and of the `unchanged` everything else is the same too, ids and polygon vertices
    apart. `by_kind` makes the datasets differ, `only_counted` does not.
    """

    images: NonNegative
    paired_by: Literal["id", "stem", "name"]
    kept: NonNegative
    unchanged: NonNegative
    by_kind: dict[str, KindRow]
    only_counted: dict[str, KindRow]


class CategoryMove(msgspec.Struct, frozen=True, kw_only=True):
    """Pixels by their category in A and in B; null: of no category."""

    a: str | None
    b: str | None
    pixels: NonNegative


class DifferenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    `image` is its id in A, else in B, and null for what concerns no image; segments are called by the source's own
    ids; `bbox` is [x, y, width, height] in pixels.
    """

    kind: DifferenceKind
    image: str | None
    annotator: str | None
    segment_a: int | str | None
    segment_b: int | str | None
    category_a: str | None
    category_b: str | None
    message: str
    pixels: int | None
    bbox: tuple[int, int, int, int] | None


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """What two datasets do not have in common, by kind and then by image; `omitted` counts those not listed."""

    version: Literal[1]
    same: bool
    a: DiffSide
    b: DiffSide
    summary: DiffSummary
    moves: tuple[CategoryMove, ...]
    differences: tuple[DifferenceRow, ...]
    omitted: NonNegative


def diff_json(found: Difference) -> str:
    """The report as JSON, a line per difference; the same input gives the same text."""
    report = DiffReport(
        version=VERSION,
        same=found.same,
        a=_diff_side(found.a),
        b=_diff_side(found.b),
        summary=DiffSummary(
            images=found.n_images,
            paired_by=found.paired_by,
            kept=found.n_kept,
            unchanged=found.n_same,
            by_kind={kind: KindRow(count=n.n, images=n.images, pixels=n.pixels) for kind, n in found.telling.items()},
            only_counted={
                kind: KindRow(count=n.n, images=n.images, pixels=n.pixels) for kind, n in found.quiet.items()
            },
        ),
        moves=tuple(CategoryMove(a=a, b=b, pixels=pixels) for (a, b), pixels in found.moves.items()),
        differences=tuple(
            DifferenceRow(**{name: getattr(one, name) for name in DifferenceRow.__struct_fields__})
            for one in found.changes
        ),
        omitted=sum(count.n for count in found.telling.values()) - len(found.changes),
    )
    plain: dict[str, Any] = msgspec.to_builtins(report)  # Any: JSON
    lines = [f"  {_text(name)}: {_value(value)}" for name, value in plain.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def diff_schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(DiffReport)


def _diff_side(half: DatasetSide) -> DiffSide:
    defects = dict(sorted(half.defects.items()))
    return DiffSide(
        dataset=half.files, format=half.format, images=half.n_images, segments=half.n_segments, defects=defects
    )


def _value(value: object) -> str:
    """A list with an item a line; everything else in one."""
    if not isinstance(value, (list, tuple)) or not value:
        return _text(value)
    return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


_HEADS: Mapping[str, str] = {
    "added": "new categories",
    "removed": "categories that are gone: their segments would be dropped",
    "renamed": "categories under another name",
    "split": "categories that are divided: a person must say where each segment belongs",
    "merged": "categories that were joined",
    "unclear": "categories whose id and colour lead to different ones: a person must choose",
    "id": "ids that changed",
    "kind": "kinds that changed: thing, stuff, void",
    "color": "colours that changed",
    "guideline": "what the guideline says otherwise",
    "details": "what else categories say otherwise",
    "taxonomy": "what the taxonomy as a whole says otherwise",
}


def taxonomy_diff_text(found: TaxonomyDifference, old: str, new: str, written: str | None, paper: Console) -> str:
    """The report, in lines of at most `paper.width` columns; `written`: the map that the command wrote."""
    lines = [paper.paint("segdata taxonomy diff", "bold"), f"  old  {old}", f"  new  {new}", ""]
    for kind in TAXONOMY_CHANGE_KINDS:
        changes = [change for change in found.changes if change.kind == kind]
        if changes:
            lines += [paper.paint(f"{kind}: {len(changes):,}", "bold"), *paper.wrap(_HEADS[kind], "  ", style="dim")]
            for change in changes:
                lines += paper.wrap(change.message, "  ", "    ")
            lines.append("")
    if not found.changes:
        return "\n".join([*lines, paper.paint("no difference", "good")]) + "\n"
    lines.append(_taxonomy_summary(found))
    lines += ["", paper.paint("next", "bold")]
    if written is None:
        command = ["segdata", "taxonomy", "diff", old, new, "--output map.yaml"]
        lines += [*command_lines(command, paper), *paper.wrap("the migration as a map, for you to complete", "      ")]
    else:
        todo = f"first decide in {written}: {', '.join(found.undecided)}" if found.undecided else ""
        lines += [*paper.wrap(todo, "  ")] if todo else []
        lines += command_lines(["segdata", "convert", "DATA", "OUT", "--taxonomy-map", written], paper)
    return "\n".join(lines) + "\n"


def taxonomy_diff_json(found: TaxonomyDifference, old: str, new: str) -> str:
    """One object: version, old, new, changes (kind, old, new, message), migration (old name: new, null or several)."""
    changes = [
        {"kind": each.kind, "old": list(each.old), "new": list(each.new), "message": each.message}
        for each in found.changes
    ]
    migration = {name: list(to) if isinstance(to, tuple) else to for name, to in found.migration.items()}
    document = {"version": 1, "old": old, "new": new, "changes": changes, "migration": migration}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _taxonomy_summary(found: TaxonomyDifference) -> str:
    moved = sum(isinstance(to, str) and to != name for name, to in found.migration.items())
    dropped = sum(to is None for to in found.migration.values())
    moves = f"{moved} get another name, {dropped} go, {len(found.undecided)} need a decision"
    return f"{count_noun(len(found.changes), 'difference')}; of {count_noun(len(found.migration), 'category')} {moves}"
