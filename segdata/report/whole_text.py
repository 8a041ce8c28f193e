"""The text report of `segdata report`: the conclusions, part by part."""

from collections.abc import Sequence
from itertools import groupby

from segdata.report.paper import Paper, shorten
from segdata.report.whole import Whole, points


def whole_text(whole: Whole, typed: Sequence[str], paper: Paper) -> str:
    """The conclusions in lines of at most `paper.width` columns; `typed`: the command, word by word."""
    found = whole.validation
    lines = [paper.paint(f"segdata report {shorten(found.dataset, paper.width - 15)}", "bold")]
    lines += paper.wrap(f"{found.n_images:,} images, {found.n_segments:,} segments", style="dim")
    for part, those in groupby(points(whole), key=lambda each: each.part):
        lines += ["", paper.paint(part, "bold")]
        for each in those:
            lines += paper.wrap(each.head, "  ", "    ", None if each.severity == "info" else each.severity)
            for text in filter(None, (each.said, each.act)):
                lines += paper.wrap(text, "    ", "    ", "dim" if text == each.said else None)
    for note in whole.notes:
        lines += ["", *paper.wrap(note, "", "  ", "dim")]
    command = " ".join(["segdata", *typed, "--format html --output report.html"])
    return "\n".join([*lines, "", paper.paint("next", "bold"), f"  {command}"]) + "\n"
