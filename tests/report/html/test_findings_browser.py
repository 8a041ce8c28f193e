"""The HTML report in a browser, from a file: what it lists and filters, whatever the names are."""

import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

import segdata
from segdata.core.finding import Finding
from segdata.core.rule import rules
from segdata.core.validation import Validation
from segdata.report.findings import ReportContext
from segdata.report.html.findings import render_findings

SAMPLE = Path(__file__).parents[3] / "sample_data" / "semantic"
HOSTILE = "</script><script>document.title='taken'</script>\"'<b>"
Shown = Callable[..., str]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """What a browser makes of the report, with this after the `#` of its address."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium here to look at the report with")

    def look(validation: Validation, address: str = "") -> str:
        asked = ReportContext(segdata.read(SAMPLE).profile, list(rules().values()), ["street"])
        path = tmp_path / "report.html"
        path.write_bytes(render_findings(validation, asked).encode("utf-8", "backslashreplace"))
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
        done = subprocess.run(
            [*words, "--dump-dom", f"{path.as_uri()}#{address}"], capture_output=True, timeout=120, check=True
        )
        return done.stdout.decode()

    return look


def several() -> list[Finding]:
    code = ("SEG101", "SEG106", "SEG107")
    return [
        Finding(
            code=code[number % 3], rule=rules()[code[number % 3]].name, severity=rules()[code[number % 3]].severity,
            message=f"{number} {HOSTILE}", image=f"{HOSTILE}{number % 5}.png", category=f"<i>{number % 2}",
            bbox=(number, 0, 1, 1), pixels=number,
        )
        for number in range(120)
    ]  # fmt: skip


def messages(page: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'<p class="message">(.*?)</p>', page)]


def test_all_are_counted_and_the_first_are_there(shown: Shown) -> None:
    page = shown(Validation("d", 5, 9, tuple(sorted(several(), key=Finding.order))))
    assert "<output>120 of 120</output>" in page
    found = messages(page)
    assert 50 <= len(found) < 120
    assert all(each.endswith(HOSTILE) for each in found)
    assert "<title>Failed: 40 errors: d</title>" in page


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("code=SEG106", {n for n in range(120) if n % 3 == 1}),
        ("severity=error&category=%3Ci%3E1", {n for n in range(120) if n % 6 == 3}),
        ("image=%3Cb%3E4.png&code=SEG101", {n for n in range(120) if n % 15 == 9}),
        ("text=117+TAKEN", {117}),
        ("text=nowhere", set()),
    ],
)
def test_filters(shown: Shown, address: str, expected: set[int]) -> None:
    page = shown(Validation("d", 5, 9, tuple(several())), address)
    assert f"<output>{len(expected)} of 120</output>" in page
    assert {int(each.split()[0]) for each in messages(page)} == expected


def test_what_is_new_is_shown_first(shown: Shown) -> None:
    every = several()
    gone = [Finding(code="SEG101", rule="gap", severity="error", message="gone", image="x")]
    compared = Validation("d", 5, 9, tuple(every)).against([*every[4:], *gone])
    assert {int(each.split()[0]) for each in messages(shown(compared))} == {0, 1, 2, 3}
    assert messages(shown(compared, "state=fixed")) == ["gone"]
    assert "<output>116 of 121</output>" in shown(compared, "state=unchanged")
