"""Reference pages: the rules and the formats, as lists and as pages, for the terminal."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any, Literal

import msgspec

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Severity
from segdata.core.format import Format
from segdata.core.losses import LossKind
from segdata.core.profile import Task
from segdata.core.rule import ALL_TASKS, Habit, Rule, rules
from segdata.report.console import Console, display_width, fold

_SHARED_LINE = re.compile(r"\s*(\w) = \w( \+ \w)+")
# Background colours of letters: the 16 of the terminal, which fit its theme.
_LETTER_COLOURS = (44, 43, 42, 45, 46, 100)
_SHARED_COLOUR, _UNLABELLED_COLOUR = 41, 47  # pixels of several segments; unlabelled pixels
_COLUMN_GAP = 4


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A picture of a rule's page: its heading, which begins with `Flagged` or `Fine`, and the lines below."""

    heading: str
    lines: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether the picture shows a case that the rule flags."""
        return self.heading.startswith("Flagged")

    def paint(self, console: Console, room: int) -> list[tuple[int, str]]:
        """Its lines with the width of each; text, unlike pixels, takes at most `room` columns."""
        shared = {match[1] for line in self.lines if (match := _SHARED_LINE.fullmatch(line))}
        width = max((len(line.strip()) for line in self.lines if _is_pixel_row(line)), default=0)
        wide = 2 if 2 + 2 * width <= console.width else 1
        style = "error" if self.is_flagged else "good"
        lines = [(display_width(line), console.paint(line, style)) for line in fold(self.heading, room, room)]
        for line in self.lines:
            text = line.strip()
            if _is_pixel_row(line):
                lines.append((2 + wide * len(text), "  " + _pixel_row(text, wide, shared)))
            else:
                folded = fold(text, room - 2, room - 4) or [""]
                hanging = ["  ", *("    " for _ in folded[1:])]
                lines += [
                    (display_width(indent + part) if part else 0, indent + console.paint(part, "dim") if part else "")
                    for indent, part in zip(hanging, folded, strict=True)
                ]
        return lines


def side_by_side(pictures: Sequence[PagePicture], console: Console) -> Iterator[str]:
    """All pictures: flagged ones on the left and fine ones on the right in pairs, then the rest."""
    half = (console.width - _COLUMN_GAP) // 2
    flagged = [picture.paint(console, half) for picture in pictures if picture.is_flagged]
    fine = [picture.paint(console, half) for picture in pictures if not picture.is_flagged]
    both = min(len(flagged), len(fine))
    rest = flagged[both:] + fine[both:]
    empty: list[tuple[int, str]] = []
    for first, second in [*zip(flagged, fine, strict=False), *zip_longest(rest[::2], rest[1::2], fillvalue=empty)]:
        if second and max(wide for wide, _ in first + second) > half:
            yield from (line for part in (first, [(0, "")], second) for _, line in part)
        else:
            for (wide, left), (_, right) in zip_longest(first, second, fillvalue=(0, "")):
                yield f"{left}{' ' * (half + _COLUMN_GAP - wide)}{right}" if right else left
        yield ""


def _is_pixel_row(line: str) -> bool:
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


_GROUP = re.compile(r"[A-Z]+[0-9X]*")  # prefixes of codes
_HEADING = re.compile(r"[A-Z][a-z]+(?: [a-z]+)?:")
PICTURES = re.compile(r"(Flagged|Fine|Example)\b.*:$")  # indented lines below these are pictures


def page_paragraph(page: str, heading: str) -> str:
    """The text under a heading of a rule's page, such as `Why` or `Remedy`, on one line; empty if there is none."""
    lines: list[str] = []
    within = False
    for line in page.splitlines():
        begins = _HEADING.match(line)
        within = line.startswith(f"{heading}:") or (within and begins is None and bool(line))
        if within:
            lines.append(line.removeprefix(f"{heading}:"))
    return " ".join(" ".join(lines).split())


def rule_group_text(word: str, console: Console) -> str | None:
    """The rules whose codes begin with `word`, a line or more for each; None if it is no prefix of several codes."""
    prefix = word.upper()
    listed = [rule for code, rule in rules().items() if code.startswith(prefix) and code != prefix]
    return rules_text(listed, console) if _GROUP.fullmatch(prefix) and listed else None


def rules_text(rules: Sequence[Rule], console: Console) -> str:
    """A line or more per rule: code, severity, name and summary."""
    width = max((display_width(rule.name) for rule in rules), default=0)
    rows = []
    for rule in rules:
        severity = f"{console.paint(rule.severity, rule.severity)}{' ' * (9 - len(rule.severity))}"
        head = f"{rule.code:<8}  {severity}{console.paint(rule.name.ljust(width), 'bold')}  "
        rows.append((head, rule.summary + " (opt-in)" * rule.opt_in))
    return _listing(rows, 10 + 9 + width + 2, count_noun(len(rules), "rule"), "explain CODE", console)


def _listing(rows: Sequence[tuple[str, str]], indent: int, count: str, command: str, console: Console) -> str:
    """A list with a head of `indent` columns and a summary for each row, their number, and a command to read more."""
    lines = []
    for head, summary in rows:
        first, *others = fold(summary, console.width - indent, console.width - indent) or [""]
        lines += [head + first, *(" " * indent + line for line in others)]
    return "\n".join([*lines, "", f"{count}; to read about one of them: segdata {command}", ""])


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rule.

    Attributes
    ----------
    code, name : ``SEG106``, ``speck``
    severity : the default
    summary : what it flags, in a sentence
    fix : whether it has a fix, and whether that is safe; null: none
    tasks : the rule runs for data of these tasks
    options : name -> default
    opt_in : it runs only where it is selected, or where segdata.yaml names it
    habit : one finding stands for many if most images, or categories, have one; null: each stands for itself
    """

    code: str
    name: str
    severity: Severity
    summary: str
    fix: Literal["safe", "unsafe"] | None
    tasks: tuple[Task, ...]
    options: dict[str, Any]  # Any: an option has the type of its default
    opt_in: bool
    habit: Habit | None


def rules_json(rules: Sequence[Rule]) -> str:
    """The rules as a JSON list of `RuleRow`, a line per rule."""
    fields = RuleRow.__struct_fields__
    return _json_list(RuleRow(**{name: getattr(rule, name) for name in fields}) for rule in rules)


def _json_list(rows: Iterable[msgspec.Struct]) -> str:
    """A JSON list, a line per row."""
    return "[\n  " + ",\n  ".join(json.dumps(msgspec.to_builtins(row), ensure_ascii=False) for row in rows) + "\n]\n"


def rule_text(rule: Rule, console: Console) -> str:
    """The documentation of a rule with its options and their defaults."""
    title = f"{rule.code} {rule.name}"
    fix = {"safe": ", has a safe fix", "unsafe": ", has an unsafe fix", None: ""}[rule.fix]
    only = "" if rule.tasks == ALL_TASKS else f"; applies to {' and '.join(rule.tasks)} data only"
    lines = [
        console.paint(title, "bold"),
        *console.wrap(f"{rule.severity} by default{fix}{only}", style=rule.severity),
        *console.wrap(running_in_words(rule), style="dim"),
        "",
    ]
    lines += _text_body(rule.page.splitlines(), console)
    lines += ["", *_settings(rule, console)]
    return "\n".join(lines) + "\n"


def _text_body(lines: Sequence[str], console: Console) -> Iterator[str]:
    """The docstring: paragraphs rewrapped, pictures unchanged or as blocks of colour."""
    paragraph: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        begins = PICTURES.match(line) is not None
        if paragraph and (begins or not line or _HEADING.match(line)):
            yield from _paragraph(" ".join(paragraph), console)
            paragraph = []
        if begins:
            end = next((n for n in range(number, len(lines)) if _ends_pictures(lines[n])), len(lines))
            yield from _pictures(lines[number:end], console)
            number = end
            continue
        if line:
            paragraph.append(line.strip())
        else:
            yield ""
        number += 1
    yield from _paragraph(" ".join(paragraph), console)


def _ends_pictures(line: str) -> bool:
    return bool(line) and not line.startswith(" ") and PICTURES.match(line) is None


def _pictures(lines: Sequence[str], console: Console) -> Iterator[str]:
    starts = [number for number, line in enumerate(lines) if PICTURES.match(line)]
    parts = [lines[number:end] for number, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    if console.colour and not any(part[0].startswith("Example") for part in parts):
        pictures = [PagePicture(part[0], tuple("\n".join(part[1:]).rstrip().split("\n"))) for part in parts]
        yield from side_by_side(pictures, console)
        return
    for line in lines:
        if PICTURES.match(line):
            yield from console.wrap(line, "", "    ", "bold")
        elif display_width(line) > console.width:
            yield from console.wrap(line, "    ", "      ", "where")
        else:
            yield console.paint(line, "where")


def _paragraph(text: str, console: Console) -> Iterator[str]:
    heading = _HEADING.match(text)
    lines = console.wrap(text, "", "    " if heading else "")
    if heading and lines:
        lines[0] = console.paint(heading[0], "bold") + lines[0][len(heading[0]) :]
    yield from lines


def _settings(rule: Rule, console: Console) -> Iterator[str]:
    yield console.paint("in segdata.yaml", "bold")
    if rule.options:
        given = ", ".join(f"{name}: {yaml_value(value)}" for name, value in rule.options.items())
        yield from console.wrap(f"rules: {{{rule.code}: {{{given}}}}}", "  ", "    ")
    others = ", ".join(severity for severity in SEVERITIES if severity != rule.severity)
    yield f"  severity: {{{rule.code}: {rule.severity}}}  # or {others}, off"
    yield f"  ignore: [{rule.code}]"


def running_in_words(rule: Rule) -> str:
    """Whether the rule runs by default, and whether its findings are folded."""
    opt_in = f"Opt-in: the rule runs only if you select it (--select {rule.code}), or name it in segdata.yaml."
    many = {"image": "many images", "cause": "many images", "category": "many categories", None: ""}[rule.habit]
    folded = f"If {many} have such a finding, you get one for all of them; --one-by-one lists each."
    return " ".join([opt_in] * rule.opt_in + [folded] * (rule.habit is not None))


def yaml_value(value: object) -> str:
    """Format a default value for segdata.yaml."""
    return json.dumps(value, default=str)


def formats_text(listed: Sequence[Format], console: Console) -> str:
    """A line or more per format: name, whether it is written, and the summary."""
    width = max((display_width(format_.name) for format_ in listed), default=0)
    rows = []
    for format_ in listed:
        does = "read, write" if format_.write else "read"
        rows.append((f"{console.paint(format_.name.ljust(width), 'bold')}  {does:<12}", format_.summary))
    return _listing(rows, width + 2 + 12, count_noun(len(listed), "format"), "formats NAME", console)


class FormatRow(msgspec.Struct, frozen=True, kw_only=True):
    """A format.

    Attributes
    ----------
    name, aliases : as on the command line
    summary : what it is, in a sentence
    writes : segdata writes it; if not, it only reads it
    file_suffixes : the target of `convert` may be a file that ends in one of these; none: it is a folder
    losses : the kinds of loss that it may have
    read_options, write_options : name -> what the option does
    checked : the programs and specifications that the tests of the format compare with
    """

    name: str
    summary: str
    aliases: tuple[str, ...]
    writes: bool
    file_suffixes: tuple[str, ...]
    losses: tuple[LossKind, ...]
    read_options: dict[str, str]
    write_options: dict[str, str]
    checked: tuple[str, ...]


def formats_json(listed: Sequence[Format]) -> str:
    """The formats as a JSON list of `FormatRow`, a line per format."""
    return _json_list(
        FormatRow(
            name=format_.name,
            summary=format_.summary,
            aliases=format_.aliases,
            writes=format_.write is not None,
            file_suffixes=format_.file_suffixes,
            losses=tuple(sorted(format_.losses)),
            read_options=dict(format_.read_options),
            write_options=dict(format_.write_options),
            checked=format_.checked,
        )
        for format_ in listed
    )


def format_options(format_: Format) -> Iterator[tuple[str, str]]:
    """Each option of a format as it is typed, and what it does."""
    for option, options in (("--read-option", format_.read_options), ("--write-option", format_.write_options)):
        for name, description in options.items():
            yield f"{option} {name}=…", description


def format_text(format_: Format, console: Console) -> str:
    """A format: its docstring, what it cannot hold, and its options."""
    lines = [console.paint(format_.name, "bold"), *console.wrap(_other_names(format_), "", "  ")]
    for paragraph in format_.text.split("\n\n"):
        lines += [*console.wrap(" ".join(paragraph.split())), ""]
    target = f"a file ({', '.join(format_.file_suffixes)}) or a folder" if format_.file_suffixes else "a folder"
    lines += console.wrap(f"written as {target}" if format_.write else "read only", "", "  ")
    if format_.write:
        lines += console.wrap(
            f"cannot hold: {', '.join(sorted(format_.losses)) or 'nothing, it holds everything'}", "", "  "
        )
    for option, description in format_options(format_):
        lines += ["", console.paint(option, "bold"), *console.wrap(description, "  ")]
    if format_.checked:
        lines += ["", *console.wrap(f"checked against: {'; '.join(format_.checked)}", "", "  ")]
    return "\n".join(lines) + "\n"


def _other_names(format_: Format) -> str:
    """The short names of a format, in a phrase; empty if it has none."""
    return f"also called {', '.join(format_.aliases)}, in any case" if format_.aliases else ""
