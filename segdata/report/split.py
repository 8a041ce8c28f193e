"""The report of `split`: how large the parts came out, and how balanced."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.split_assignment import MEASURES, SplitAssignment
from segdata.report.paper import Paper, shorten, table

_LISTED = 12  # categories, those that are farthest from their shares


def to_text(deal: SplitAssignment, n_alike: int, paper: Paper) -> str:
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


def _balance(deal: SplitAssignment, paper: Paper) -> Iterator[str]:
    """For each category its shares by part: of the images, segments and pixels. The rare ones cannot but be far."""
    worst = deal.deviation.max(axis=1)
    too_few = deal.counts[:, 0].sum(axis=1) * deal.wanted.min() < 1  # images for each part to have its share
    order = np.lexsort((-worst, too_few))
    shown = order[:_LISTED].tolist()
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


def to_json(deal: SplitAssignment, n_alike: int, **more: Any) -> str:  # Any: JSON
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
