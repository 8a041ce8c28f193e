"""Edits: the reports of `split`, `sample` and `history`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.split_assignment import MEASURES, SplitAssignment
from segdata.report.console import Console, shorten, table
from segdata.store.revisions import RevisionInfo
from segdata.store.sample import ImageSample

_SPLIT_LISTED = 12  # categories, those that are farthest from their shares


def split_text(deal: SplitAssignment, n_alike: int, console: Console) -> str:
    """The parts, then the categories whose shares differ most from the wanted ones."""
    total = max(int(deal.n_images.sum()), 1)
    rows = [
        [name, f"{n:,}", f"{n / total:.2%}", f"{share:.2%}"]
        for name, n, share in zip(deal.parts, deal.n_images.tolist(), deal.wanted.tolist(), strict=True)
    ]
    lines = console.table(("part", "images", "share", "wanted"), rows)
    if deal.n_units < int(deal.n_images.sum()):
        largest = count_noun(deal.largest, "image")
        text = f"{count_noun(deal.n_units, 'group')} of images that stay together; the largest has {largest}"
        lines += console.wrap(f"{text}; {count_noun(n_alike, 'pair')} of near-duplicates", style="dim")
    for name in [name for name, n in zip(deal.parts, deal.n_images.tolist(), strict=True) if not n]:
        text = f"{name} has no images: there are too few images, or the groups are too large"
        lines += console.wrap(text, style="error")
    if len(deal.categories):
        lines += ["", *_balance(deal, console)]
    for part, names in deal.missing.items():
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        lines += console.wrap(f"{part} has no segments of: {shown}")
    return "\n".join(lines) + "\n"


def _balance(deal: SplitAssignment, console: Console) -> Iterator[str]:
    """The shares of each category by part, of images, segments and pixels; rare categories are last."""
    worst = deal.deviation.max(axis=1)
    too_few = deal.counts[:, 0].sum(axis=1) * deal.wanted.min() < 1  # too few images for each part to get its share
    order = np.lexsort((-worst, too_few))
    shown = order[:_SPLIT_LISTED].tolist()
    rows = []
    for row in shown:
        cells = ["/".join(f"{share:.0%}"[:-1] for share in deal.shares[row, measure]) for measure in range(3)]
        rows.append([shorten(deal.categories[row], 20), *cells, f"{worst[row]:.1%}"])
    yield from console.table(("% by part of the", *MEASURES, "deviation"), rows)
    mean = ", ".join(
        f"{value:.2%} of {name}" for name, value in zip(MEASURES, deal.deviation.mean(axis=0), strict=True)
    )
    more = f"{len(order) - len(shown)} more deviate less. " if len(order) > len(shown) else ""
    yield from console.wrap(f"{more}Mean largest deviation over the categories: {mean}", style="dim")


def split_json(deal: SplitAssignment, n_alike: int, **more: Any) -> str:  # Any: JSON
    """The split as one JSON object with all categories; `more`: further fields of the command."""
    report = {
        "version": 1,
        "parts": [
            {"name": name, "images": int(n), "wanted": float(share)}
            for name, n, share in zip(deal.parts, deal.n_images, deal.wanted, strict=True)
        ],
        "groups": deal.n_units,
        "largest_group": deal.largest,
        "pairs_alike": n_alike,
        "categories": [
            {
                "name": name,
                **{
                    measure: dict(zip(deal.parts, counts.tolist(), strict=True))
                    for measure, counts in zip(MEASURES, deal.counts[row], strict=True)
                },
                "deviation": dict(zip(MEASURES, deal.deviation[row].tolist(), strict=True)),
            }
            for row, name in enumerate(deal.categories)
        ],
        "missing": {part: list(names) for part, names in deal.missing.items()},
        **more,
    }
    return json.dumps(report, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


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


def sample_json(draw: ImageSample, **more: Any) -> str:  # Any: JSON
    """The sample as one JSON object, with the images; `more`: further fields of the command."""
    report = {
        "version": 1,
        "images": list(draw.images),
        "of": draw.of,
        "wanted": draw.wanted,
        "categories": [
            {"name": name, "segments": int(n_all), "drawn": int(n_drawn)}
            for name, n_all, n_drawn in zip(draw.categories, draw.segments, draw.drawn, strict=True)
        ],
        "strata": [{"name": name, "images": n_all, "drawn": n_drawn} for name, n_all, n_drawn in draw.strata],
        **more,
    }
    return json.dumps(report, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


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


def history_json(revisions: Sequence[RevisionInfo]) -> str:
    """The revisions as one JSON object."""
    rows = [{**asdict(revision), "created": revision.created.isoformat()} for revision in revisions]
    return json.dumps({"version": 1, "revisions": rows}, ensure_ascii=False, indent=2) + "\n"


def format_bytes(size: int) -> str:
    """A size in bytes, in words.

    >>> format_bytes(999), format_bytes(1_234_567)
    ('999 B', '1.2 MB')
    """
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"
