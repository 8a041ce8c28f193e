"""The report of `history`: the revisions of a dataset, one after the other."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from segdata.report.paper import Paper, table
from segdata.store.revisions import RevisionInfo


def to_text(revisions: Sequence[RevisionInfo], paper: Paper) -> str:
    """A line for each revision, the current one marked, and below it how it came about."""
    rows = [
        [
            f"{'*' if each.current else ' '} {each.name}",
            f"{each.created:%Y-%m-%d %H:%M}",
            "gone" if each.images is None else f"{each.images:,}",
            "gone" if each.segments is None else f"{each.segments:,}",
            bytes_(each.size),
            bytes_(each.own),
        ]
        for each in revisions
    ]
    head, *lines = table(("  revision", "made (UTC)", "images", "segments", "size", "its own"), rows, left=(0, 1))
    found = [paper.paint(head, "bold")]
    for each, line in zip(revisions, lines, strict=True):
        of = f", of {each.parent}" if each.parent else ""
        found += [paper.paint(line, "good" if each.current else None), *paper.wrap(each.what + of, "    ", "    ")]
    return "\n".join(found) + "\n"


def to_json(revisions: Sequence[RevisionInfo]) -> str:
    """The same as one JSON object."""
    rows = [{**asdict(each), "created": each.created.isoformat()} for each in revisions]
    return json.dumps({"version": 1, "revisions": rows}, ensure_ascii=False, indent=2) + "\n"


def bytes_(size: int) -> str:
    """A size as people say it.

    >>> bytes_(999), bytes_(1_234_567)
    ('999 B', '1.2 MB')
    """
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"
