"""The formats: all of them as a table, one of them as a page, and the page `docs/formats.md`.

`python -m segdata.report.format_pages [FILE]` writes the latter.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from segdata.core.errors import count_noun
from segdata.core.format import Format, formats
from segdata.report.console import Console, display_width, fold


def formats_text(every: Sequence[Format], paper: Console) -> str:
    """A line or more per format: name, whether it is written, and the summary."""
    width = max((display_width(each.name) for each in every), default=0)
    indent = width + 2 + 12
    lines = []
    for each in every:
        does = "read, write" if each.write else "read"
        summary = fold(each.summary, paper.width - indent, paper.width - indent)
        lines.append(f"{paper.paint(each.name.ljust(width), 'bold')}  {does:<12}{summary[0] if summary else ''}")
        lines += [" " * indent + line for line in summary[1:]]
    return "\n".join([*lines, "", f"{count_noun(len(every), 'format')}; one of them in full: segdata formats NAME", ""])


def formats_json(every: Sequence[Format]) -> str:
    """The formats as a JSON list, a line per format."""
    rows = [
        json.dumps(
            {
                "name": each.name,
                "summary": each.summary,
                "writes": each.write is not None,
                "file_suffixes": list(each.file_suffixes),
                "losses": sorted(each.losses),
                "read_options": dict(each.read_options),
                "write_options": dict(each.write_options),
                "checked": list(each.checked),
            },
            ensure_ascii=False,
        )
        for each in every
    ]
    return "[\n  " + ",\n  ".join(rows) + "\n]\n"


def format_text(each: Format, paper: Console) -> str:
    """What a format's file says of it, what it cannot hold, and its options."""
    lines = [paper.paint(each.name, "bold")]
    for paragraph in each.text.split("\n\n"):
        lines += [*paper.wrap(" ".join(paragraph.split())), ""]
    target = f"a file ({', '.join(each.file_suffixes)}) or a folder" if each.file_suffixes else "a folder"
    lines += paper.wrap(f"written as {target}" if each.write else "only read", "", "  ")
    if each.write:
        lines += paper.wrap(f"cannot hold: {', '.join(sorted(each.losses)) or 'it holds everything'}", "", "  ")
    for what, options in (("--read-option", each.read_options), ("--write-option", each.write_options)):
        for name, said in options.items():
            lines += ["", paper.paint(f"{what} {name}=…", "bold"), *paper.wrap(said, "  ")]
    if each.checked:
        lines += ["", *paper.wrap(f"checked against: {'; '.join(each.checked)}", "", "  ")]
    return "\n".join(lines) + "\n"


def formats_markdown(every: Sequence[Format]) -> str:
    """`docs/formats.md`."""
    return "\n".join([*_HEAD, *(_row(each) for each in every), "", *_sections(every)])


_HEAD = (
    "# The formats",
    "",
    "Generated from the formats themselves (`python -m segdata.report.format_pages`); `segdata formats` prints the",
    "same. Every format is detected from names and first bytes. What it cannot hold is counted in every conversion,",
    "with the images, segments and pixels that it touches; what its row does not list survives: a law over random",
    "datasets that tests for each format that is written.",
    "",
    "| format | reads | writes | cannot hold | checked against |",
    "| --- | --- | --- | --- | --- |",
)


def _row(each: Format) -> str:
    lost = ", ".join(sorted(each.losses)) if each.write else ""
    cells = [f"[{each.name}](#{each.name})", "yes", "yes" if each.write else "", lost, "; ".join(each.checked)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sections(every: Sequence[Format]) -> Iterator[str]:
    for each in every:
        yield from (f"## {each.name}", "", each.text, "")
        for what, options in (("--read-option", each.read_options), ("--write-option", each.write_options)):
            for name, said in options.items():
                yield f"- `{what} {name}=…`: {said}"
        if each.read_options or each.write_options:
            yield ""


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/formats.md")
    target.write_text(formats_markdown(list(formats().values())), encoding="utf-8")
