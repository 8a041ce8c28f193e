"""GitHub annotations: workflow commands that a GitHub Action's log turns into notes on the changed files.

Source: GitHub Docs, "Workflow commands for GitHub Actions".
"""

import re
from collections.abc import Iterator

from segdata.core.errors import count_noun
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.validation import Validation
from segdata.report.location import Site

_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")  # what a terminal obeys; line ends are written in words
COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def to_github(validation: Validation, site: Site) -> str:
    """A command a finding, worst first, since GitHub shows the first ten of each severity; and a line that sums up."""
    return "\n".join([*_commands(validation, site), _sum(validation), ""])


def _commands(validation: Validation, site: Site) -> Iterator[str]:
    for each in validation.findings:
        place = {"file": site.file(each), "line": each.line, "title": f"{each.code} {each.rule}"}
        given = ",".join(f"{key}={_property(str(value))}" for key, value in place.items() if value is not None)
        yield f"::{COMMANDS[each.severity]} {given}::{_data(_message(each))}"


def _message(finding: Finding) -> str:
    box = finding.bbox and "x {}, y {}, {} x {} px".format(*finding.bbox)
    where = ", ".join(part for part in (finding.image, box, finding.category, finding.annotator) if part)
    return f"{finding.message} ({where})" if where else finding.message


def _sum(validation: Validation) -> str:
    counts = [count_noun(count, each) for each in SEVERITIES if (count := validation.count(each))]
    return f"segdata: {', '.join(counts) or 'nothing found'} in {count_noun(validation.n_images, 'image')}"


def _data(text: str) -> str:
    text = _CONTROL.sub("\ufffd", text)
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
