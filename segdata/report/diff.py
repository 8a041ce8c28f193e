"""Differences between two datasets, or two taxonomies, as text and as JSON.

`schemas/difference.schema.json` is made from these types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from segdata.core.errors import count_noun
from segdata.core.finding import Count
from segdata.core.paths import PairByName
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import encode_result, format_json
from segdata.report.findings import command_lines, place_lines
from segdata.store.diff.changes import (
    KIND_SUMMARIES,
    DatasetChange,
    DatasetSide,
    Difference,
    DifferenceKind,
    KindCount,
    kind_unit,
)
from segdata.store.diff.taxonomies import TAXONOMY_CHANGE_KINDS, TaxonomyChange, TaxonomyDifference

FIRST = 3  # differences shown of each kind
MAX_SHOWN_MOVES = 8  # pairs of categories shown


def diff_text(difference: Difference, typed: Sequence[str], console: Console) -> str:
    """The report in lines of at most `console.width` columns; `typed`: A, B and their options as typed."""
    lines = [*_head(difference, console), ""]
    for kind, count in difference.telling.items():
        shown = [change for change in difference.changes if change.kind == kind][:FIRST]
        lines += [*_group(kind, count, shown, console), ""]
    moves = list(_moves(difference, console))
    lines += [*moves, ""] if moves else []
    lines += _totals(difference, console)
    if not difference.same:
        command = command_lines(["segdata", "diff", *typed, "--format json"], console)
        why = console.wrap("every difference, for a program", "      ", style="dim")
        lines += console.next_block([*command, *why])
    return "\n".join(lines) + "\n"


def difference_lines(changes: Sequence[DatasetChange], console: Console) -> Iterator[str]:
    """Differences, each in a line or two: location and message."""
    for change in changes:
        yield from _location_lines(change, console)
        yield from console.wrap(change.message, "    ")


def _head(difference: Difference, console: Console) -> Iterator[str]:
    yield console.paint("segdata diff", "bold")
    for name, half in (("A", difference.a), ("B", difference.b)):
        yield console.paint(f"  {name}  {shorten(half.files, console.width - 5)}", "bold")
        yield from console.wrap(_side_text(half), "     ", style="dim")
    if difference.paired_by != "id":
        key_names = {"stem": "their ids without extension", "name": "their file names without folder and extension"}
        text = f"no image has the same id in both; images are paired by {key_names[difference.paired_by]}"
        yield from console.wrap(text, "  ", style="warning")


def _side_text(half: DatasetSide) -> str:
    size = f"{half.format}: {count_noun(half.n_images, 'image')}, {count_noun(half.n_segments, 'segment')}"
    if not half.defects:
        return size
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(half.defects.items()))
    return f"{size}; noticed while reading: {codes}"


def _group(kind: DifferenceKind, count: KindCount, shown: Sequence[DatasetChange], console: Console) -> Iterator[str]:
    facts = count_noun(count.n, kind_unit(kind))
    if count.images and kind_unit(kind) != "image":
        facts += f" in {count_noun(count.images, 'image')}"
    if count.pixels:
        facts += f", {count.pixels:,} px"
    yield from console.pieces((f"{kind}:", "bold"), (facts, None))
    yield from console.wrap(KIND_SUMMARIES[kind], "  ", style="dim")
    yield from difference_lines(shown, console)
    if count.n > len(shown):
        yield f"  … and {count.n - len(shown):,} more"


def _location_lines(change: DatasetChange, console: Console) -> list[str]:
    ids = dict.fromkeys(str(id_) for id_ in (change.segment_a, change.segment_b) if id_ is not None)
    names = dict.fromkeys(name for name in (change.category_a, change.category_b) if name is not None)
    # The message names both categories if they differ.
    thing = " ".join([*list(names)[:1], " / ".join(ids)]).strip()
    return place_lines(change.image, thing, change.bbox, change.annotator, console, "  ")


def _moves(difference: Difference, console: Console) -> Iterator[str]:
    if not difference.moves:
        return
    yield from console.pieces(("pixels by category:", "bold"), ("in A, and in B", "dim"))
    rows = [
        [shorten(a or "nothing", 30), "->", shorten(b or "nothing", 30), f"{pixels:,} px"]
        for (a, b), pixels in list(difference.moves.items())[:MAX_SHOWN_MOVES]
    ]
    yield from (f"  {line}" for line in table(["", "", "", ""], rows, left=(0, 1, 2))[1:])
    if len(difference.moves) > MAX_SHOWN_MOVES:
        yield f"  … and {count_noun(len(difference.moves) - MAX_SHOWN_MOVES, 'more pair')} of categories"


def _totals(difference: Difference, console: Console) -> Iterator[str]:
    n_a, n_b = difference.a.n_segments, difference.b.n_segments
    pairs = count_noun(difference.n_images, "image")
    if difference.same:
        alike = f"{pairs}, {count_noun(n_a, 'segment')}: the same pixels, categories and attributes"
        yield from console.pieces(("same:", "good"), (alike, None))
    else:
        yield from console.pieces(
            ("different:", "error"), (count_noun(len(difference.telling), "kind") + " of difference", None)
        )
        kept = f"{difference.n_kept:,} of {n_a:,} segments of A have the same pixels and category in B"
        same = (
            f"{difference.n_same:,} are the same in everything"
            if difference.n_same != difference.n_kept
            else "and in everything else"
        )
        extra = f"; B has {n_b:,}" if n_a != n_b else ""
        yield from console.wrap(f"{pairs} compared; {kept}, {same}{extra}")
    if difference.quiet:
        counts = ", ".join(f"{kind} {count.n:,}" for kind, count in difference.quiet.items())
        yield from console.wrap(f"counted, but not as differences without --strict: {counts}", style="dim")


_RENAMED = {
    "n_images": "images",
    "n_kept": "kept",
    "n_same": "unchanged",
    "telling": "by_kind",
    "quiet": "only_counted",
}


class DiffSummary(msgspec.Struct, frozen=True, kw_only=True, rename=_RENAMED):
    """The counts of compared items and of differences, independent of how many are listed.

    `images` counts pairs, `paired_by` says how images were paired. `kept` segments of A have the same image, category
    and pixels in B; `unchanged` ones are equal in everything except ids and polygon vertices. `by_kind` counts
    differences, `only_counted` those that do not make the datasets differ.
    """

    n_images: Count
    paired_by: PairByName
    n_kept: Count
    n_same: Count
    telling: dict[str, KindCount]
    quiet: dict[str, KindCount]


class CategoryMove(msgspec.Struct, frozen=True):
    """The number of pixels by their category in A and in B; null: unlabelled."""

    a: str | None
    b: str | None
    pixels: Count


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """The differences between two datasets, by kind and then by image; `omitted` counts those not listed."""

    version: Literal[1] = 1
    same: bool
    a: DatasetSide
    b: DatasetSide
    summary: DiffSummary
    moves: tuple[CategoryMove, ...]
    differences: tuple[DatasetChange, ...]
    omitted: Count


def diff_json(difference: Difference) -> str:
    """The report as JSON, a line per difference; the same input gives the same text."""
    report = DiffReport(
        same=difference.same,
        a=difference.a,
        b=difference.b,
        summary=msgspec.convert(difference, DiffSummary, from_attributes=True),
        moves=tuple(CategoryMove(a, b, pixels) for (a, b), pixels in difference.moves.items()),
        differences=difference.changes,
        omitted=sum(count.n for count in difference.telling.values()) - len(difference.changes),
    )
    return format_json(encode_result(report), flat=True)


_HEADS: Mapping[str, str] = {
    "added": "new categories",
    "removed": "categories that no longer exist: their segments would be dropped",
    "renamed": "categories under another name",
    "split": "categories that were split: you must decide where each segment belongs",
    "merged": "categories that were merged",
    "unclear": "categories whose id and colour point to different ones: you must choose",
    "id": "ids that changed",
    "kind": "kinds that changed: thing, stuff, void",
    "color": "colours that changed",
    "guideline": "changes of the guideline",
    "details": "other changes of categories",
    "taxonomy": "changes of the taxonomy as a whole",
}


def taxonomy_diff_text(
    difference: TaxonomyDifference, old: str, new: str, written: str | None, console: Console
) -> str:
    """The report in lines of at most `console.width` columns; `written`: the file of the map, if any."""
    lines = [console.paint("segdata taxonomy diff", "bold"), f"  old  {old}", f"  new  {new}", ""]
    for kind in TAXONOMY_CHANGE_KINDS:
        changes = [change for change in difference.changes if change.kind == kind]
        if changes:
            lines += [
                console.paint(f"{kind}: {len(changes):,}", "bold"),
                *console.wrap(_HEADS[kind], "  ", style="dim"),
            ]
            for change in changes:
                lines += console.wrap(change.message, "  ", "    ")
            lines.append("")
    if not difference.changes:
        return "\n".join([*lines, console.paint("no difference", "good")]) + "\n"
    lines.append(_taxonomy_summary(difference))
    if written is None:
        command = ["segdata", "taxonomy", "diff", old, new, "--output map.yaml"]
        steps = [
            *command_lines(command, console),
            *console.wrap("write the category map, for you to complete", "      "),
        ]
    else:
        todo = f"first decide on these in {written}: {', '.join(difference.undecided)}" if difference.undecided else ""
        steps = [*console.wrap(todo, "  ")] if todo else []
        steps += command_lines(["segdata", "convert", "DATA", "OUT", "--taxonomy-map", written], console)
    lines += console.next_block(steps)
    return "\n".join(lines) + "\n"


class TaxonomyDiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of a taxonomy, and the new category of each old one.

    `migration`: old name -> new name; null: the category was removed; several names: a person must choose.
    """

    version: Literal[1] = 1
    old: str
    new: str
    changes: tuple[TaxonomyChange, ...]
    migration: Mapping[str, str | tuple[str, ...] | None]


def taxonomy_diff_json(difference: TaxonomyDifference, old: str, new: str) -> str:
    """The report as one JSON object; `old` and `new` name the taxonomies."""
    report = TaxonomyDiffReport(old=old, new=new, changes=difference.changes, migration=difference.migration)
    return json.dumps(encode_result(report), indent=2, ensure_ascii=False)


def _taxonomy_summary(difference: TaxonomyDifference) -> str:
    moved = sum(isinstance(to, str) and to != name for name, to in difference.migration.items())
    dropped = sum(to is None for to in difference.migration.values())
    moves = f"{moved} renamed, {dropped} dropped, {len(difference.undecided)} to be decided"
    n_changes, n_old = len(difference.changes), len(difference.migration)
    return f"{count_noun(n_changes, 'difference')}; {count_noun(n_old, 'old category')}: {moves}"
