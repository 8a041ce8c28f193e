"""The text report of a difference: by kind, the first of each, and what it comes to."""

from collections.abc import Iterator, Sequence

from segdata.core.errors import count_noun
from segdata.report.paper import Paper, columns, shorten, table
from segdata.report.text import typeable
from segdata.store.diff.difference import (
    KIND_SUMMARIES,
    DatasetSide,
    Difference,
    DifferenceKind,
    KindCount,
    LabelChange,
    kind_unit,
)

FIRST = 3  # differences of each kind that are shown
MOST_MOVES = 8  # pairs of categories that are shown


def to_text(found: Difference, typed: Sequence[str], paper: Paper, first: int = FIRST) -> str:
    """The report, in lines of at most `paper.width` columns; `typed`: A, B and their options as one would type them."""
    lines = [*_head(found, paper), ""]
    for kind, count in found.telling.items():
        shown = [change for change in found.changes if change.kind == kind][:first]
        lines += [*_group(kind, count, shown, paper), ""]
    moves = list(_moves(found, paper))
    lines += [*moves, ""] if moves else []
    lines += _totals(found, paper)
    if not found.same:
        lines += ["", paper.paint("next", "bold"), *typeable(["segdata", "diff", *typed, "--format json"], paper)]
        lines += paper.wrap("every difference, for a program", "      ", style="dim")
    return "\n".join(lines) + "\n"


def listed(changes: Sequence[LabelChange], paper: Paper) -> Iterator[str]:
    """Differences, each in a line or two: where, and what."""
    for change in changes:
        yield from _where(change, paper)
        yield from paper.wrap(change.message, "    ")


def _head(found: Difference, paper: Paper) -> Iterator[str]:
    yield paper.paint("segdata diff", "bold")
    for name, half in (("A", found.a), ("B", found.b)):
        yield paper.paint(f"  {name}  {shorten(half.files, paper.width - 5)}", "bold")
        yield from paper.wrap(_read(half), "     ", style="dim")
    if found.paired_by != "id":
        what = {"stem": "their ids without extension", "name": "their file names without folder and extension"}
        said = f"no image has the same id in both; they are paired by {what[found.paired_by]}"
        yield from paper.wrap(said, "  ", style="warning")


def _read(half: DatasetSide) -> str:
    size = f"{half.format}: {count_noun(half.n_images, 'image')}, {count_noun(half.n_segments, 'segment')}"
    if not half.defects:
        return size
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(half.defects.items()))
    return f"{size}; met while reading: {count_noun(sum(half.defects.values()), 'defect')} ({codes})"


def _group(kind: DifferenceKind, count: KindCount, shown: Sequence[LabelChange], paper: Paper) -> Iterator[str]:
    facts = count_noun(count.n, kind_unit(kind))
    if count.images and kind_unit(kind) != "image":
        facts += f" in {count_noun(count.images, 'image')}"
    if count.pixels:
        facts += f", {count.pixels:,} px"
    yield from paper.pieces((f"{kind}:", "bold"), (facts, None))
    yield from paper.wrap(KIND_SUMMARIES[kind], "  ", style="dim")
    yield from listed(shown, paper)
    if count.n > len(shown):
        yield f"  … and {count.n - len(shown):,} more"


def _where(change: LabelChange, paper: Paper) -> list[str]:
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
    image = change.image and shorten(change.image, max(room - (columns(rest) + 2 if rest else 0), 24))
    return paper.wrap(": ".join(filter(None, [image, rest])), "  ", "    ", "where")


def _moves(found: Difference, paper: Paper) -> Iterator[str]:
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


def _totals(found: Difference, paper: Paper) -> Iterator[str]:
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
