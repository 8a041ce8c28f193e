"""The report of `sample`: what a draw of images covers."""

import json
from typing import Any

import numpy as np

from segdata.core.errors import count_noun
from segdata.report.paper import Paper, shorten, table
from segdata.store.sample import ImageSample

_LISTED = 15  # categories, the rarest


def to_text(draw: ImageSample, paper: Paper) -> str:
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
        for at in order[:_LISTED].tolist()
    ]
    if listed:
        head, *rest = table(("category", "segments", "drawn"), listed)
        lines += ["", paper.paint(head, "bold"), *rest]
    if len(order) > _LISTED:
        lines += paper.wrap(f"{len(order) - _LISTED} more have more", style="dim")
    return "\n".join(lines) + "\n"


def _all_there(draw: ImageSample) -> bool:
    """Whether of each category that is short every segment was drawn."""
    short = draw.drawn < draw.wanted
    return bool(short.any()) and bool((draw.drawn[short] == draw.segments[short]).all())


def to_json(draw: ImageSample, **more: Any) -> str:  # Any: JSON
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
