"""Decisions made in the HTML report, in a browser, from a file: by key and by button, kept, and exported."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

import segdata
from segdata.api.decisions import label_hashes
from segdata.core.errors import SegdataError
from segdata.core.finding import Correction
from segdata.core.rule import rules
from segdata.report.findings import ReportContext
from segdata.report.html.findings import render_findings
from segdata.review.decision_log import is_export, read_export

SAMPLE = Path(__file__).parents[3] / "sample_data" / "semantic"
COMMENT = "</script><b> \"glass\" 'é'"
# What a reviewer does: a name, keys, a button, a comment, the export. The file goes into the page instead of a folder.
DRIVEN = """<script>
addEventListener("load", () => setTimeout(() => {
  const press = (key) => (document.activeElement || document.body).dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const store = () => Object.keys(localStorage).find((each) => each.startsWith("segdata decisions"));
  const kept = () => JSON.parse(localStorage.getItem(store()));
  const name = document.querySelector("input[name=reviewer]");
  if (!name.value) {
    document.querySelector(".review button").disabled || document.querySelector(".review button").click();
    name.value = "Anna Ö.";
    name.dispatchEvent(new Event("input", { bubbles: true }));
    const before = kept();
    before.said.elsewhere = { verdict: "accept" };  // another report of the same dataset is open
    localStorage.setItem(store(), JSON.stringify(before));
    for (const key of ["j", "a", "r", "u", "k", "u"]) press(key);
    document.querySelectorAll(".verdicts button[value=void]")[3].click();
    const comment = document.querySelectorAll(".comment")[3];
    comment.value = COMMENT;
    comment.dispatchEvent(new Event("input"));
  }
  const shown = document.createElement("pre");
  shown.title = String("elsewhere" in kept().said);
  document.body.append(shown);
  URL.createObjectURL = (blob) => { blob.text().then((text) => { shown.textContent = text; }); return "#x"; };
  document.querySelector(".review button").click();
}, 100));
</script></body>"""


@pytest.fixture
def browser() -> str:
    """The system's Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium here to decide with")
    return found


def test_decisions_are_kept_and_exported(browser: str, tmp_path: Path) -> None:
    data = segdata.read(SAMPLE)
    result = segdata.validate(data, select="SEG")
    many = [*result.findings]
    for number in range(5):
        finding = segdata.Finding(
            code="SEG106", rule="speck", severity="warning", message=f"{number} <i>", image=data.image_ids[number % 3],
            bbox=(number, 1, 20, 20), pixels=number + 1,
            correction=Correction(action="add", category="car", size=(4, 5), counts=("\\</script>",), iou=0.5),
        )  # fmt: skip
        many.append(finding)
    shown = segdata.Validation("street", 3, 9, tuple(sorted(many, key=segdata.Finding.order)))
    seen = label_hashes(data, shown.findings)
    page = render_findings(shown, ReportContext(data.profile, list(rules().values()), ["street"]), {}, seen)
    driver = DRIVEN.replace("COMMENT", json.dumps(COMMENT).replace("</", "<\\/"))
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", driver), "utf-8")
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    texts = []
    for _ in range(2):  # the second time the browser remembers
        done = subprocess.run(
            [*words, "--virtual-time-budget=4000", "--dump-dom", path.as_uri()],
            capture_output=True, timeout=120, check=True,
        )  # fmt: skip
        found = re.search(r'<pre title="true">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
        assert found is not None
        texts.append(unescape(found[1]))
    assert texts[0] == texts[1]
    file = tmp_path / "decisions.json"
    file.write_text(texts[0], "utf-8")
    assert is_export(file)
    decisions = read_export(file)
    assert [each.verdict for each in decisions] == ["accept", "reject", "void"]
    assert [each.comment for each in decisions] == ["", "", COMMENT]
    assert {each.reviewer for each in decisions} == {"Anna Ö."}
    assert all(each.finding in shown.findings and each.imprint == seen[each.finding] for each in decisions)


def test_an_export_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"version": 1, "kind": "segdata decisions", "dataset": "x", "decisions": [{}]}', "utf-8")
    with pytest.raises(SegdataError, match=r"is not an export of decisions: .*`verdict`"):
        read_export(file)
    file.write_text("[]", "utf-8")
    assert not is_export(file)
