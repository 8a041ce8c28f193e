"""Rule pages: the list of rules and the page of each rule, for the terminal and as Markdown.

`python -m segdata.report.rule_pages [FOLDER]` writes the Markdown pages, into `docs/rules/` by default.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES
from segdata.core.rule import ALL_TASKS, Rule, rules
from segdata.report.console import Console, display_width, fold

_SHARED_LINE = re.compile(r"\s*(\w) = \w( \+ \w)+")
_LETTER_COLOURS = (
    44,
    43,
    42,
    45,
    46,
    100,
)  # backgrounds of the letters: the terminal's own, so that its theme suits them
_SHARED_COLOUR, _UNLABELLED_COLOUR = 41, 47  # pixels that several segments claim; pixels that nobody labelled
_GAP = 4


@dataclass(frozen=True, slots=True)
class RulePicture:
    """A picture of a rule's page: `Flagged` or `Fine` with what else its heading says, and the lines below it."""

    heading: str
    lines: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether it shows what the rule flags."""
        return self.heading.startswith("Flagged")

    def painted(self, paper: Console, room: int) -> list[tuple[int, str]]:
        """Its lines with the columns that each takes; what is not pixels takes at most `room`."""
        shared = {found[1] for line in self.lines if (found := _SHARED_LINE.fullmatch(line))}
        width = max((len(line.strip()) for line in self.lines if _is_pixel_row(line)), default=0)
        wide = 2 if 2 + 2 * width <= paper.width else 1
        style = "error" if self.is_flagged else "good"
        lines = [(display_width(line), paper.paint(line, style)) for line in fold(self.heading, room, room)]
        for line in self.lines:
            text = line.strip()
            if _is_pixel_row(line):
                lines.append((2 + wide * len(text), "  " + _pixel_row(text, wide, shared)))
            else:
                folded = fold(text, room - 2, room - 4) or [""]
                hanging = ["  ", *("    " for _ in folded[1:])]
                lines += [
                    (display_width(indent + part) if part else 0, indent + paper.paint(part, "dim") if part else "")
                    for indent, part in zip(hanging, folded, strict=True)
                ]
        return lines


def side_by_side(pictures: Sequence[RulePicture], paper: Console) -> Iterator[str]:
    """All pictures: left and right what is flagged and what is fine, as long as there is both; then the others."""
    half = (paper.width - _GAP) // 2
    flagged = [each.painted(paper, half) for each in pictures if each.is_flagged]
    fine = [each.painted(paper, half) for each in pictures if not each.is_flagged]
    both = min(len(flagged), len(fine))
    rest = flagged[both:] + fine[both:]
    none: list[tuple[int, str]] = []
    for first, second in [*zip(flagged, fine, strict=False), *zip_longest(rest[::2], rest[1::2], fillvalue=none)]:
        if second and max(wide for wide, _ in first + second) > half:
            yield from (line for part in (first, [(0, "")], second) for _, line in part)
        else:
            for (wide, one), (_, other) in zip_longest(first, second, fillvalue=(0, "")):
                yield f"{one}{' ' * (half + _GAP - wide)}{other}" if other else one
        yield ""


def _is_pixel_row(line: str) -> bool:
    """Whether a line is pixels: letters and dots only."""
    return re.fullmatch(r"\s*[\w.]+", line) is not None


def _pixel_row(text: str, wide: int, shared: set[str]) -> str:
    """A row of pixels, each `wide` columns: the letter on the colour of its segment."""
    pieces = []
    for letter, run in groupby(text):
        shown = "".join(" " * wide if letter == "." else letter.ljust(wide) for _ in run)
        number = (ord(letter) - ord("a")) % len(_LETTER_COLOURS)
        colour = (
            _SHARED_COLOUR if letter in shared else _UNLABELLED_COLOUR if letter == "." else _LETTER_COLOURS[number]
        )
        pieces.append(f"\x1b[{colour};97m{shown}\x1b[0m" if letter != "." else f"\x1b[{colour}m{shown}\x1b[0m")
    return "".join(pieces)


_HEADING = re.compile(r"[A-Z][a-z]+(?: [a-z]+)?:")
_PICTURES = re.compile(r"(Flagged|Fine|Example)\b.*:$")  # what is indented below these is shown as it stands


def page_paragraph(page: str, heading: str) -> str:
    """What a rule's page says under `Why`, `Remedy` or another heading, on one line; empty where it says nothing."""
    found: list[str] = []
    within = False
    for line in page.splitlines():
        begins = _HEADING.match(line)
        within = line.startswith(f"{heading}:") or (within and begins is None and bool(line))
        if within:
            found.append(line.removeprefix(f"{heading}:"))
    return " ".join(" ".join(found).split())


def rules_text(rules: Sequence[Rule], paper: Console) -> str:
    """A line or more per rule: code, severity, name and summary."""
    name_width = max((display_width(rule.name) for rule in rules), default=0)
    indent = 10 + 9 + name_width + 2
    lines = []
    for rule in rules:
        head = f"{rule.code:<8}  {paper.paint(rule.severity, rule.severity)}{' ' * (9 - len(rule.severity))}"
        summary = fold(rule.summary, paper.width - indent, paper.width - indent)
        lines.append(f"{head}{paper.paint(rule.name.ljust(name_width), 'bold')}  {summary[0] if summary else ''}")
        lines += [" " * indent + line for line in summary[1:]]
    return "\n".join([*lines, "", f"{count_noun(len(rules), 'rule')}; one of them in full: segdata explain CODE", ""])


def rules_json(rules: Sequence[Rule]) -> str:
    """The rules as a JSON list, a line per rule."""
    rows = [
        json.dumps(
            {
                "code": rule.code,
                "name": rule.name,
                "severity": rule.severity,
                "summary": rule.summary,
                "fix": rule.fix,
                "tasks": list(rule.tasks),
                "options": rule.options,
            },
            ensure_ascii=False,
        )
        for rule in rules
    ]
    return "[\n  " + ",\n  ".join(rows) + "\n]\n"


def rule_text(rule: Rule, paper: Console) -> str:
    """The documentation of a rule with its options and their defaults."""
    title = f"{rule.code} {rule.name}"
    fix = {"safe": ", mended by a safe fix", "unsafe": ", mended by an unsafe fix", None: ""}[rule.fix]
    only = "" if rule.tasks == ALL_TASKS else f"; speaks of {' and '.join(rule.tasks)} data only"
    lines = [paper.paint(title, "bold"), *paper.wrap(f"{rule.severity} by default{fix}{only}", style=rule.severity), ""]
    lines += _text_body(rule.page.splitlines(), paper)
    lines += ["", *_settings(rule, paper)]
    return "\n".join(lines) + "\n"


def _text_body(lines: Sequence[str], paper: Console) -> Iterator[str]:
    """The docstring: paragraphs wrapped anew, pictures as they stand, or as blocks of colour."""
    paragraph: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        begins = _PICTURES.match(line) is not None
        if paragraph and (begins or not line or _HEADING.match(line)):
            yield from _paragraph(" ".join(paragraph), paper)
            paragraph = []
        if begins:
            end = next((n for n in range(at, len(lines)) if _ends_pictures(lines[n])), len(lines))
            yield from _pictures(lines[at:end], paper)
            at = end
            continue
        if line:
            paragraph.append(line.strip())
        else:
            yield ""
        at += 1
    yield from _paragraph(" ".join(paragraph), paper)


def _ends_pictures(line: str) -> bool:
    return bool(line) and not line.startswith(" ") and _PICTURES.match(line) is None


def _pictures(lines: Sequence[str], paper: Console) -> Iterator[str]:
    """Pictures that follow each other."""
    starts = [at for at, line in enumerate(lines) if _PICTURES.match(line)]
    parts = [lines[at:end] for at, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    if paper.colour and not any(part[0].startswith("Example") for part in parts):
        pictures = [RulePicture(part[0], tuple("\n".join(part[1:]).rstrip().split("\n"))) for part in parts]
        yield from side_by_side(pictures, paper)
        return
    for line in lines:
        if _PICTURES.match(line):
            yield paper.paint(line, "bold")
        elif display_width(line) > paper.width:
            yield from paper.wrap(line, "    ", "      ", "where")
        else:
            yield paper.paint(line, "where")


def _paragraph(text: str, paper: Console) -> Iterator[str]:
    """One paragraph; its heading, the words before the first colon of a short one, in bold."""
    heading = _HEADING.match(text)
    lines = paper.wrap(text, "", "    " if heading else "")
    if heading and lines:
        lines[0] = paper.paint(heading[0], "bold") + lines[0][len(heading[0]) :]
    yield from lines


def _settings(rule: Rule, paper: Console) -> Iterator[str]:
    """How to change the rule in segdata.yaml."""
    yield paper.paint("in segdata.yaml", "bold")
    if rule.options:
        given = ", ".join(f"{name}: {_yaml(value)}" for name, value in rule.options.items())
        yield from paper.wrap(f"rules: {{{rule.code}: {{{given}}}}}", "  ", "    ")
    others = ", ".join(each for each in SEVERITIES if each != rule.severity)
    yield f"  severity: {{{rule.code}: {rule.severity}}}  # or {others}, off"
    yield f"  ignore: [{rule.code}]"


def _yaml(value: object) -> str:
    return json.dumps(value, default=str)


_PICTURE_HEADING = re.compile(r"(Flagged|Fine|Example)\b.*:$")  # what is indented below these is shown as it stands


def markdown_pages() -> dict[str, str]:
    """File name -> text."""
    every = list(rules().values())
    return {"README.md": markdown_index(every), **{f"{rule.code}.md": markdown_page(rule) for rule in every}}


def markdown_index(every: list[Rule]) -> str:
    """The table of all rules."""
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {rule.summary} |" for rule in every]
    head = [
        "# The rules",
        "",
        "Generated from the rules themselves (`python -m segdata.report.rule_pages`); `segdata explain CODE` prints",
        "the same. The severity is the default; `segdata.yaml` changes it.",
        "",
        "| code | name | severity | flags |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def markdown_page(rule: Rule) -> str:
    """A rule's page: its docstring, pictures as code, and its options with their defaults."""
    only = "" if rule.tasks == ALL_TASKS else f", for {' and '.join(rule.tasks)} data"
    lines = [
        f"# {rule.code} {rule.name}",
        "",
        f"Severity: {rule.severity}{only}.",
        "",
        *_markdown_body(rule.page.splitlines()),
    ]
    if rule.options:
        lines += ["", "| option | default |", "| --- | --- |"]
        lines += [f"| `{name}` | `{default!r}` |" for name, default in rule.options.items()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _markdown_body(lines: list[str]) -> Iterator[str]:
    """The docstring with its pictures fenced."""
    fenced = False
    for number, line in enumerate(lines):
        is_picture = line.startswith("    ")
        follows = next((later for later in lines[number:] if later.strip()), "")
        if fenced and not follows.startswith("    "):
            yield "```"
            yield ""
            fenced = False
        if _PICTURE_HEADING.match(line):
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
    """Write every page into a folder, and delete pages of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    found = markdown_pages()
    for path in folder.glob("SEG*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_markdown(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/rules"))
