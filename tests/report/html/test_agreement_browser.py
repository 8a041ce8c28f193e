"""The HTML report of an agreement in a browser: it fits a phone, a laptop and a sheet, and its links filter."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from segdata.api.agreement import AgreementRun
from segdata.report.agreement.html import AgreementPictures, render_agreement

Shown = Callable[..., str]
TOLD = "<script>document.title = `${document.documentElement.scrollWidth} of ${innerWidth}`</script>"
CLICK = "<script>document.querySelector(`[data-filter=annotator]`).click()</script>"


@pytest.fixture
def shown(tmp_path: Path, habits: AgreementRun) -> Shown:
    """What a browser of some width makes of the report with a script at its end."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium here to look at the report with")

    def look(width: int, script: str) -> str:
        text = render_agreement(habits.agreement, habits.tables, AgreementPictures((), {}), ["agreement", "a", "b"])
        path = tmp_path / "agreement.html"
        path.write_text(text.replace("</body>", f"{script}</body>"), "utf-8")
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
        done = subprocess.run(
            [*words, f"--window-size={width},2000", "--dump-dom", path.as_uri()],
            capture_output=True,
            timeout=120,
            check=True,
        )
        return done.stdout.decode()

    return look


@pytest.mark.parametrize("width", [390, 794, 1280])
def test_nothing_is_wider_than_the_window(shown: Shown, width: int) -> None:
    found = re.search(r"<title>(\d+) of (\d+)</title>", shown(width, TOLD))
    assert found is not None
    assert int(found[1]) <= int(found[2])


def test_a_conclusion_leads_to_its_findings(shown: Shown, habits: AgreementRun) -> None:
    mine = [each for each in habits.agreement.findings if each.annotator == "carl"]
    every = len(habits.agreement.findings)
    assert f"<output>{every} of {every}</output>" in shown(1280, "")
    assert f"<output>{len(mine)} of {every}</output>" in shown(1280, CLICK)
