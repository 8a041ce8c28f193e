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


def split_text(deal: SplitAssignment, n_alike: int, paper: Console) -> str:
    """The parts, then the categories that are farthest from the shares that were wanted."""
    total = max(int(deal.n_images.sum()), 1)
    rows = [
        [name, f"{n:,}", f"{n / total:.2%}", f"{share:.2%}"]
        for name, n, share in zip(deal.parts, deal.n_images.tolist(), deal.wanted.tolist(), strict=True)
    ]
    head, *lines = table(("part", "images", "share", "wanted"), rows)
    found = [paper.paint(head, "bold"), *lines]
    if deal.n_units < int(deal.n_images.sum()):
        said = f"{count_noun(deal.n_units, 'group')} of images that stay together, the largest of {deal.largest:,}"
        found += paper.wrap(f"{said}; {count_noun(n_alike, 'pair')} of them look the same", style="dim")
    for name in [name for name, n in zip(deal.parts, deal.n_images.tolist(), strict=True) if not n]:
        said = f"{name} has no images: there are too few, or what stays together is too large"
        found += paper.wrap(said, style="error")
    if len(deal.categories):
        found += ["", *_balance(deal, paper)]
    for part, names in deal.missing.items():
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        found += paper.wrap(f"{part} has none of: {shown}")
    return "\n".join(found) + "\n"


def _balance(deal: SplitAssignment, paper: Console) -> Iterator[str]:
    """For each category its shares by part: of the images, segments and pixels. The rare ones cannot but be far."""
    worst = deal.deviation.max(axis=1)
    too_few = deal.counts[:, 0].sum(axis=1) * deal.wanted.min() < 1  # images for each part to have its share
    order = np.lexsort((-worst, too_few))
    shown = order[:_SPLIT_LISTED].tolist()
    rows = []
    for at in shown:
        cells = ["/".join(f"{share:.0%}"[:-1] for share in deal.shares[at, measure]) for measure in range(3)]
        rows.append([shorten(deal.categories[at], 20), *cells, f"{worst[at]:.1%}"])
    head, *lines = table(("% by part of the", *MEASURES, "farthest"), rows)
    yield paper.paint(head, "bold")
    yield from lines
    mean = ", ".join(
        f"{value:.2%} of {name}" for name, value in zip(MEASURES, deal.deviation.mean(axis=0), strict=True)
    )
    more = f"{len(order) - len(shown)} more are nearer. " if len(order) > len(shown) else ""
    yield from paper.wrap(f"{more}Mean over the categories of the largest deviation: {mean}", style="dim")


def split_json(deal: SplitAssignment, n_alike: int, **more: Any) -> str:  # Any: JSON
    """The same as one JSON object, all categories in it; `more`: what the command did with it."""
    found = {
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
                    for measure, counts in zip(MEASURES, deal.counts[at], strict=True)
                },
                "deviation": dict(zip(MEASURES, deal.deviation[at].tolist(), strict=True)),
            }
            for at, name in enumerate(deal.categories)
        ],
        "missing": {part: list(names) for part, names in deal.missing.items()},
        **more,
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


_SAMPLE_LISTED = 15  # categories, the rarest


def sample_text(draw: ImageSample, paper: Console) -> str:
    """How many images, and how many segments of each category, the rarest first."""
    lines = [f"{count_noun(len(draw.images), 'image')} of {draw.of:,} drawn"]
    if draw.wanted:
        n = len(draw.categories)
        said = f"{n - len(draw.short)} of {count_noun(n, 'category')} have {draw.wanted} segments or more"
        lines += paper.wrap(f"{said}{', or all that there are' if _all_there(draw) else ''}")
    if draw.strata:
        head, *rows = table(("stratum", "images", "drawn"), [[a, f"{b:,}", f"{c:,}"] for a, b, c in draw.strata])
        lines += ["", paper.paint(head, "bold"), *rows]
    order = np.lexsort((draw.segments, draw.drawn))
    listed = [
        [shorten(draw.categories[at], 40), f"{draw.segments[at]:,}", f"{draw.drawn[at]:,}"]
        for at in order[:_SAMPLE_LISTED].tolist()
    ]
    if listed:
        head, *rest = table(("category", "segments", "drawn"), listed)
        lines += ["", paper.paint(head, "bold"), *rest]
    if len(order) > _SAMPLE_LISTED:
        lines += paper.wrap(f"{len(order) - _SAMPLE_LISTED} more have more", style="dim")
    return "\n".join(lines) + "\n"


def _all_there(draw: ImageSample) -> bool:
    """Whether of each category that is short every segment was drawn."""
    short = draw.drawn < draw.wanted
    return bool(short.any()) and bool((draw.drawn[short] == draw.segments[short]).all())


def sample_json(draw: ImageSample, **more: Any) -> str:  # Any: JSON
    """The same as one JSON object, with the images; `more`: what the command did with it."""
    found = {
        "version": 1,
        "images": list(draw.images),
        "of": draw.of,
        "wanted": draw.wanted,
        "categories": [
            {"name": name, "segments": int(all_), "drawn": int(some)}
            for name, all_, some in zip(draw.categories, draw.segments, draw.drawn, strict=True)
        ],
        "strata": [{"name": name, "images": all_, "drawn": some} for name, all_, some in draw.strata],
        **more,
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def history_text(revisions: Sequence[RevisionInfo], paper: Console) -> str:
    """A line for each revision, the current one marked, and below it how it came about."""
    rows = [
        [
            f"{'*' if each.current else ' '} {each.name}",
            f"{each.created:%Y-%m-%d %H:%M}",
            "gone" if each.images is None else f"{each.images:,}",
            "gone" if each.segments is None else f"{each.segments:,}",
            format_bytes(each.size),
            format_bytes(each.own),
        ]
        for each in revisions
    ]
    head, *lines = table(("  revision", "made (UTC)", "images", "segments", "size", "its own"), rows, left=(0, 1))
    found = [paper.paint(head, "bold")]
    for each, line in zip(revisions, lines, strict=True):
        of = f", of {each.parent}" if each.parent else ""
        found += [paper.paint(line, "good" if each.current else None), *paper.wrap(each.what + of, "    ", "    ")]
    return "\n".join(found) + "\n"


def history_json(revisions: Sequence[RevisionInfo]) -> str:
    """The same as one JSON object."""
    rows = [{**asdict(each), "created": each.created.isoformat()} for each in revisions]
    return json.dumps({"version": 1, "revisions": rows}, ensure_ascii=False, indent=2) + "\n"


def format_bytes(size: int) -> str:
    """A size as people say it.

    >>> bytes_(999), bytes_(1_234_567)
    ('999 B', '1.2 MB')
    """
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"
