"""Reference pages: those of rules and formats in `docs/`.

`python -m tests.generators.reference_pages [FOLDER]` writes `rules/` and `formats.md` into `docs/` by default.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from segdata.core.finding import SEVERITIES
from segdata.core.format import Format, formats
from segdata.core.rule import ALL_TASKS, Rule, rules
from segdata.report.reference_pages import PICTURES, format_options, running_in_words, yaml_value


def markdown_pages() -> dict[str, str]:
    """File name -> text."""
    listed = list(rules().values())
    return {"README.md": markdown_index(listed), **{f"{rule.code}.md": markdown_page(rule) for rule in listed}}


def markdown_index(listed: list[Rule]) -> str:
    """The table of all rules."""
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.name} | {_severity(rule)} | {rule.summary} |" for rule in listed]
    head = [
        "# The rules",
        "",
        "`segdata explain CODE` prints a page, `segdata rules` the list. Severities are defaults; you change them in",
        "[segdata.yaml](../configuration.md). The pages are generated (`python -m tests.generators.reference_pages`).",
        "",
        "| code | name | severity | flags |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _severity(rule: Rule) -> str:
    return f"{rule.severity}, opt-in" if rule.opt_in else rule.severity


def markdown_page(rule: Rule) -> str:
    """A rule's page: its docstring, pictures as code, and its options with their defaults."""
    only = "" if rule.tasks == ALL_TASKS else f", for {' and '.join(rule.tasks)} data"
    running = running_in_words(rule).replace("--one-by-one", "`--one-by-one`")
    lines = [
        f"# {rule.code} {rule.name}",
        "",
        " ".join(filter(None, [f"Severity: {rule.severity}{only}.", running])),
        "",
        *_markdown_body(rule.page.splitlines()),
    ]
    if rule.options:
        lines += ["", "| option | default |", "| --- | --- |"]
        lines += [f"| `{name}` | `{default!r}` |" for name, default in rule.options.items()]
        name, default = next(iter(rule.options.items()))
        setting = f"rules: {{{rule.code}: {{{name}: {yaml_value(default)}}}}}"
        lines += ["", f"You can set options in `segdata.yaml`, for example `{setting}`."]
    others = " or ".join(f"`{severity}`" for severity in (*SEVERITIES, "off") if severity != rule.severity)
    setting = f"severity: {{{rule.code}: {rule.severity}}}"
    lines += ["", f"You change the severity there, too: in `{setting}` write {others} instead."]
    if not rule.options:
        lines[-1] = f"You can change the severity in `segdata.yaml`: in `{setting}` write {others} instead."
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _markdown_body(lines: list[str]) -> Iterator[str]:
    fenced = False
    for number, line in enumerate(lines):
        is_picture = line.startswith("    ")
        follows = next((later for later in lines[number:] if later.strip()), "")
        if fenced and not follows.startswith("    "):
            yield "```"
            yield ""
            fenced = False
        if PICTURES.match(line):
            yield line
            yield ""
        elif is_picture and not fenced:
            yield "```"
            yield line[4:]
            fenced = True
        elif is_picture:
            yield line[4:]
        elif fenced or line or not number or lines[number - 1]:
            yield line
    if fenced:
        yield "```"


def write_markdown(folder: Path) -> None:
    """Write all pages into a folder, and delete pages of rules that no longer exist."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = markdown_pages()
    for path in folder.glob("SEG*.md"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def formats_markdown(listed: Sequence[Format]) -> str:
    """`docs/formats.md`."""
    return "\n".join([*_HEAD, *(_row(format_) for format_ in listed), "", *_sections(listed)])


_HEAD = (
    "# The formats",
    "",
    "```",
    "segdata formats                                # lists all of them",
    "segdata formats yolo                           # describes one, with its options",
    "segdata convert my_dataset labels --to yolo    # writes it",
    "```",
    "",
    "You seldom have to name the format that you read: segdata detects it from file names and first bytes. If you do,",
    "case and punctuation do not matter, and short names will do: `coco`, `yolo`, `voc`, `masks`.",
    "",
    "When you convert, you see what the target format cannot hold, with the images, segments and pixels concerned.",
    "Everything that the row of a format does not list survives; a property-based test checks this on random datasets",
    "for every format that segdata writes. This page is generated from the formats",
    "(`python -m tests.generators.reference_pages`).",
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
        if format_.aliases:
            yield from (f"You can also call it {', '.join(f'`{name}`' for name in format_.aliases)}.", "")
        options = [f"- `{option}`: {description}" for option, description in format_options(format_)]
        yield from options
        if options:
            yield ""


if __name__ == "__main__":
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    write_markdown(docs / "rules")
    (docs / "formats.md").write_text(formats_markdown(list(formats().values())), encoding="utf-8")
