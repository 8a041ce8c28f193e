"""The catalogue of rules: all of them as a table, and one of them as a page."""

import json
import re
from collections.abc import Iterator, Sequence

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES
from segdata.core.rule import ALL_TASKS, Rule
from segdata.report.blocks import Picture, side_by_side
from segdata.report.paper import Paper, columns, fold

_HEADING = re.compile(r"[A-Z][a-z]+(?: [a-z]+)?:")
_PICTURES = re.compile(r"(Flagged|Fine|Example)\b.*:$")  # what is indented below these is shown as it stands


def paragraph(page: str, heading: str) -> str:
    """What a rule's page says under `Why`, `Remedy` or another heading, on one line; empty where it says nothing."""
    found: list[str] = []
    within = False
    for line in page.splitlines():
        begins = _HEADING.match(line)
        within = line.startswith(f"{heading}:") or (within and begins is None and bool(line))
        if within:
            found.append(line.removeprefix(f"{heading}:"))
    return " ".join(" ".join(found).split())


def to_text(rules: Sequence[Rule], paper: Paper) -> str:
    """A line or more per rule: code, severity, name and summary."""
    name_width = max((columns(rule.name) for rule in rules), default=0)
    indent = 10 + 9 + name_width + 2
    lines = []
    for rule in rules:
        head = f"{rule.code:<8}  {paper.paint(rule.severity, rule.severity)}{' ' * (9 - len(rule.severity))}"
        summary = fold(rule.summary, paper.width - indent, paper.width - indent)
        lines.append(f"{head}{paper.paint(rule.name.ljust(name_width), 'bold')}  {summary[0] if summary else ''}")
        lines += [" " * indent + line for line in summary[1:]]
    return "\n".join([*lines, "", f"{count_noun(len(rules), 'rule')}; one of them in full: segdata explain CODE", ""])


def to_json(rules: Sequence[Rule]) -> str:
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


def page(rule: Rule, paper: Paper) -> str:
    """The documentation of a rule with its options and their defaults."""
    title = f"{rule.code} {rule.name}"
    fix = {"safe": ", mended by a safe fix", "unsafe": ", mended by an unsafe fix", None: ""}[rule.fix]
    only = "" if rule.tasks == ALL_TASKS else f"; speaks of {' and '.join(rule.tasks)} data only"
    lines = [paper.paint(title, "bold"), *paper.wrap(f"{rule.severity} by default{fix}{only}", style=rule.severity), ""]
    lines += _body(rule.page.splitlines(), paper)
    lines += ["", *_settings(rule, paper)]
    return "\n".join(lines) + "\n"


def _body(lines: Sequence[str], paper: Paper) -> Iterator[str]:
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


def _pictures(lines: Sequence[str], paper: Paper) -> Iterator[str]:
    """Pictures that follow each other."""
    starts = [at for at, line in enumerate(lines) if _PICTURES.match(line)]
    parts = [lines[at:end] for at, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    if paper.colour and not any(part[0].startswith("Example") for part in parts):
        pictures = [Picture(part[0], tuple("\n".join(part[1:]).rstrip().split("\n"))) for part in parts]
        yield from side_by_side(pictures, paper)
        return
    for line in lines:
        if _PICTURES.match(line):
            yield paper.paint(line, "bold")
        elif columns(line) > paper.width:
            yield from paper.wrap(line, "    ", "      ", "where")
        else:
            yield paper.paint(line, "where")


def _paragraph(text: str, paper: Paper) -> Iterator[str]:
    """One paragraph; its heading, the words before the first colon of a short one, in bold."""
    heading = _HEADING.match(text)
    lines = paper.wrap(text, "", "    " if heading else "")
    if heading and lines:
        lines[0] = paper.paint(heading[0], "bold") + lines[0][len(heading[0]) :]
    yield from lines


def _settings(rule: Rule, paper: Paper) -> Iterator[str]:
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
