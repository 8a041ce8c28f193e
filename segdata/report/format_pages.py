"""Format pages: all formats as a table, one format as a page, and the page `docs/formats.md`.

`python -m segdata.report.format_pages [FILE]` writes the last one.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from segdata.core.errors import count_noun
from segdata.core.format import Format, formats
from segdata.report.console import Console, display_width, fold


def formats_text(listed: Sequence[Format], console: Console) -> str:
    """A line or more per format: name, whether it is written, and the summary."""
    width = max((display_width(format_.name) for format_ in listed), default=0)
    indent = width + 2 + 12
    lines = []
    for format_ in listed:
        does = "read, write" if format_.write else "read"
        summary = fold(format_.summary, console.width - indent, console.width - indent)
        lines.append(f"{console.paint(format_.name.ljust(width), 'bold')}  {does:<12}{summary[0] if summary else ''}")
        lines += [" " * indent + line for line in summary[1:]]
    return "\n".join(
        [*lines, "", f"{count_noun(len(listed), 'format')}; to read about one of them: segdata formats NAME", ""]
    )


def formats_json(listed: Sequence[Format]) -> str:
    """The formats as a JSON list, a line per format."""
    rows = [
        json.dumps(
            {
                "name": format_.name,
                "summary": format_.summary,
                "writes": format_.write is not None,
                "file_suffixes": list(format_.file_suffixes),
                "losses": sorted(format_.losses),
                "read_options": dict(format_.read_options),
                "write_options": dict(format_.write_options),
                "checked": list(format_.checked),
            },
            ensure_ascii=False,
        )
        for format_ in listed
    ]
    return "[\n  " + ",\n  ".join(rows) + "\n]\n"


def format_text(format_: Format, console: Console) -> str:
    """A format: its docstring, what it cannot hold, and its options."""
    lines = [console.paint(format_.name, "bold")]
    for paragraph in format_.text.split("\n\n"):
        lines += [*console.wrap(" ".join(paragraph.split())), ""]
    target = f"a file ({', '.join(format_.file_suffixes)}) or a folder" if format_.file_suffixes else "a folder"
    lines += console.wrap(f"written as {target}" if format_.write else "read only", "", "  ")
    if format_.write:
        lines += console.wrap(
            f"cannot hold: {', '.join(sorted(format_.losses)) or 'nothing, it holds everything'}", "", "  "
        )
    for what, options in (("--read-option", format_.read_options), ("--write-option", format_.write_options)):
        for name, description in options.items():
            lines += ["", console.paint(f"{what} {name}=…", "bold"), *console.wrap(description, "  ")]
    if format_.checked:
        lines += ["", *console.wrap(f"checked against: {'; '.join(format_.checked)}", "", "  ")]
    return "\n".join(lines) + "\n"


def formats_markdown(listed: Sequence[Format]) -> str:
    """`docs/formats.md`."""
    return "\n".join([*_HEAD, *(_row(format_) for format_ in listed), "", *_sections(listed)])


_HEAD = (
    "# The formats",
    "",
    "This page is generated from the formats (`python -m segdata.report.format_pages`); `segdata formats` prints the",
    "same text. segdata detects a format from file names and first bytes. Every conversion counts what the target",
    "format cannot hold, with the images, segments and pixels concerned. Everything that the row of a format does not",
    "list survives; a property-based test checks this on random datasets for every format that segdata writes.",
    "",
    "| format | reads | writes | cannot hold | checked against |",
    "| --- | --- | --- | --- | --- |",
)


def _row(format_: Format) -> str:
    lost = ", ".join(sorted(format_.losses)) if format_.write else ""
    cells = [
        f"[{format_.name}](#{format_.name})",
        "yes",
        "yes" if format_.write else "",
        lost,
        "; ".join(format_.checked),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sections(listed: Sequence[Format]) -> Iterator[str]:
    for format_ in listed:
        yield from (f"## {format_.name}", "", format_.text, "")
        for what, options in (("--read-option", format_.read_options), ("--write-option", format_.write_options)):
            for name, description in options.items():
                yield f"- `{what} {name}=…`: {description}"
        if format_.read_options or format_.write_options:
            yield ""


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/formats.md")
    target.write_text(formats_markdown(list(formats().values())), encoding="utf-8")
