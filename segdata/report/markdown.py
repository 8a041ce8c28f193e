"""The catalogue of rules as Markdown pages, one for each rule and one that lists them.

`python -m segdata.report.markdown [FOLDER]` writes them, into `docs/rules/` by default.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from segdata.core.rule import ALL_TASKS, Rule, rules

_PICTURE = re.compile(r"(Flagged|Fine|Example)\b.*:$")  # what is indented below these is shown as it stands


def pages() -> dict[str, str]:
    """File name -> text."""
    every = list(rules().values())
    return {"README.md": index(every), **{f"{rule.code}.md": page(rule) for rule in every}}


def index(every: list[Rule]) -> str:
    """The table of all rules."""
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.name} | {rule.severity} | {rule.summary} |" for rule in every]
    head = [
        "# The rules",
        "",
        "Generated from the rules themselves (`python -m segdata.report.markdown`); `segdata explain CODE` prints the",
        "same. The severity is the default; `segdata.yaml` changes it.",
        "",
        "| code | name | severity | flags |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"


def page(rule: Rule) -> str:
    """A rule's page: its docstring, pictures as code, and its options with their defaults."""
    only = "" if rule.tasks == ALL_TASKS else f", for {' and '.join(rule.tasks)} data"
    lines = [f"# {rule.code} {rule.name}", "", f"Severity: {rule.severity}{only}.", "", *_body(rule.page.splitlines())]
    if rule.options:
        lines += ["", "| option | default |", "| --- | --- |"]
        lines += [f"| `{name}` | `{default!r}` |" for name, default in rule.options.items()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _body(lines: list[str]) -> Iterator[str]:
    """The docstring with its pictures fenced."""
    fenced = False
    for number, line in enumerate(lines):
        is_picture = line.startswith("    ")
        follows = next((later for later in lines[number:] if later.strip()), "")
        if fenced and not follows.startswith("    "):
            yield "```"
            yield ""
            fenced = False
        if _PICTURE.match(line):
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


def write(folder: Path) -> None:
    """Write every page into a folder, and delete pages of rules that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pages()
    for path in folder.glob("SEG*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/rules"))
