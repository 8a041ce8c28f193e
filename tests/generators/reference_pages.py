"""Reference pages of rules and formats in `docs/`.

`python -m tests.generators.reference_pages [FOLDER]` writes `rules/`, `formats/` and `formats.md`; FOLDER is `docs/` by
default.
"""

import re
import sys
from collections import Counter
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
    another, *others = (severity for severity in (*SEVERITIES, "off") if severity != rule.severity)
    change = f"`severity: {{{rule.code}: {another}}}`, or {' or '.join(f'`{severity}`' for severity in others)}."
    where = "You change the severity there, too" if rule.options else "You can change the severity in `segdata.yaml`"
    lines += ["", f"{where}: {change}"]
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
    """`docs/formats.md`: which formats there are, and what those that are written hold."""
    usual = usual_losses(listed)
    lines = [
        *_HEAD,
        *(f"| {_link(entry)} | {_cell(entry.summary)} | {'yes' if entry.write else ''} |" for entry in listed),
        "",
        "## What a format cannot hold",
        "",
        "When you convert, you see what the target format cannot hold, with the images, segments and pixels concerned.",
        "Everything else survives; a property-based test checks this on random datasets for every format that segdata",
        "writes. [What a conversion loses](losses.md) explains each kind of loss.",
        "",
        f"At least half of the formats cannot hold {', '.join(f'`{kind}`' for kind in usual)}.",
        "The table lists what each format holds of these, and what else it cannot hold.",
        "",
        "| format | holds of these | cannot hold either |",
        "| --- | --- | --- |",
        *(_losses_row(entry, usual) for entry in listed if entry.write),
    ]
    return "\n".join(lines) + "\n"


def usual_losses(listed: Sequence[Format]) -> list[str]:
    """The kinds of loss that at least half of the written formats have."""
    written = [entry for entry in listed if entry.write]
    count = Counter(kind for entry in written for kind in entry.losses)
    return sorted(kind for kind, n in count.items() if 2 * n >= len(written))


def _losses_row(entry: Format, usual: Sequence[str]) -> str:
    held = [kind for kind in usual if kind not in entry.losses]
    more = sorted(entry.losses.difference(usual))
    everything = len(held) == len(usual)
    return f"| {_link(entry)} | {'all' if everything else ', '.join(held)} | {', '.join(more)} |"


def _link(entry: Format) -> str:
    return f"[{entry.name}](formats/{entry.name}.md)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


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
    "case and punctuation do not matter, and short names will do: `coco`, `yolo`, `voc`, `masks`. segdata reads all of",
    "these formats. Each has a page with the files that it reads and writes, its options and its specification.",
    "",
    "segdata skips hidden folders and those that other programs leave (`.ipynb_checkpoints`, `__MACOSX`, `@eaDir` and",
    "the like). Images in them are found if a document names their paths.",
    "",
    "| format | labels | also written |",
    "| --- | --- | --- |",
)


def format_page(entry: Format) -> str:
    """`docs/formats/NAME.md`: the format's docstring, its options, losses and oracles."""
    blocks = [f"# {entry.name}", entry.text]
    if entry.aliases:
        blocks.append(f"You can also call it {', '.join(f'`{name}`' for name in entry.aliases)}.")
    options = [f"- `{option}`: {description}" for option, description in format_options(entry)]
    blocks += ["\n".join(options)] if options else []
    if entry.write and entry.losses:
        blocks.append(f"Cannot hold: {', '.join(f'`{kind}`' for kind in sorted(entry.losses))}.")
    if entry.checked:
        blocks.append(f"Tests compare with: {'; '.join(entry.checked)}.")
    return "\n\n".join(blocks) + "\n"


def write_formats(docs: Path) -> None:
    """Write `formats.md` and a page for each format, and delete pages of formats that no longer exist."""
    listed = list(formats().values())
    pages = {f"{entry.name}.md": format_page(entry) for entry in listed}
    folder = docs / "formats"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in {"../formats.md": formats_markdown(listed), **pages}.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    write_markdown(docs / "rules")
    write_formats(docs)
