"""The App itself, and the command that starts it, as a reviewer uses them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.report.fiftyone.app import App
from segdata.report.fiftyone.decisions import pull_from_fiftyone
from tests.chromium import Page, browser, chromium

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs
NAME = "in the App_1"  # its slug is another
IMAGES = ("a.png", "b.png")


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO file of two images, each with a segment whose declared area is wrong."""
    for name in IMAGES:
        Image.new("RGB", (40, 30), (90, 90, 90)).save(tmp_path / name)
    ring = [2, 2, 12, 2, 12, 12, 2, 12]
    segment = {"category_id": 1, "segmentation": [ring], "area": 7, "bbox": [2, 2, 10, 10], "iscrowd": 0}
    images = [{"id": id_, "file_name": name, "width": 40, "height": 30} for id_, name in enumerate(IMAGES)]
    segments = [{**segment, "id": id_ + 1, "image_id": id_} for id_ in range(len(IMAGES))]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps({"images": images, "annotations": segments, "categories": [{"id": 1, "name": "car"}]}))
    return path


@pytest.mark.timeout(900)  # a busy machine takes minutes to start the App
def test_a_reviewer_decides_in_the_app(
    fo: Any, coco: Path, tmp_path: Path, unused_port: int, interruptible: Callable[[Sequence[str]], list[str]]
) -> None:
    """The command says where the App is; a saved view, two findings, two clicks; Ctrl-C ends it; all comes back.

    The same App shows the findings of a report one by one: the most probable first, each enlarged; the verdicts are
    those of the images that the pictures are cut from.
    """
    report = tmp_path / "flag.json"
    report.write_text(json.dumps({"version": 1, "findings": [_flagged("a.png", 0.31), _flagged("b.png", 0.97)]}))
    alone = ["browse", str(coco), "--findings", str(report), "--name", "alone", "--no-launch"]
    assert CliRunner().invoke(main, alone).exit_code == 0
    patches = fo.load_dataset("alone").load_saved_view("one by one")
    assert patches.values("findings.label") == ["SEG901 flagged P 0.9", "SEG901 flagged P 0.3"]
    words = [sys.executable, "-m", "segdata", "browse", str(coco), "--port", str(unused_port), "--name", NAME]
    words += ["--reviewer", "anna"]
    shown = subprocess.Popen(interruptible(words), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    program = chromium()
    try:
        assert shown.stderr is not None
        told: list[str] = []
        while not told or "App is at" not in told[-1]:
            line = shown.stderr.readline()
            assert line, told  # else it has ended
            told.append(line)
        assert told[0] == "segdata: 2 images with 2 findings in FiftyOne's dataset 'in the App_1'\n"
        address = told[-1].split("App is at ")[1].split(";")[0]
        assert address == f"http://127.0.0.1:{unused_port}/datasets/in%20the%20App_1?view=worst-first"
        with urlopen(address) as answer:
            assert answer.status == 200
        if program is not None:
            with browser(program) as page:
                _review(page, address)
            with browser(program) as page:
                _leave_open(page, f"http://127.0.0.1:{unused_port}/datasets/alone?view=worst-first")
            with browser(program) as page:
                one_by_one = f"http://127.0.0.1:{unused_port}/datasets/alone?view=one-by-one"
                _look_on_a_phone(page, one_by_one)
                _review_one_by_one(page, one_by_one)
    finally:
        shown.send_signal(signal.SIGINT)
        out, rest = shown.communicate(timeout=60)
    assert (shown.returncode, out, rest.strip()) == (130, "", "")
    if program is None:
        pytest.skip("no Chromium here to look at the App with")
    for name, first, second in ((NAME, "a.png", "b.png"), ("alone", "b.png", "a.png")):
        said = {
            each.image: (each.verdict, each.reviewer)
            for each in pull_from_fiftyone(name, segdata.read(coco).profile).decisions
        }
        assert said == {first: ("accept", "anna"), second: ("reject", "anna")}


def _review(page: Page, address: str) -> None:
    """Choose a saved view, open the first image, accept one finding with the mouse and reject the next by a key."""
    page.open(address)
    page.wait(f"{_TILES}.length == 2")
    page.click_until('document.querySelector("[data-cy=saved-views-selection]")', _OPTION)
    page.value(f"{_OPTION}.click()")  # not with the mouse: the list is still unrolling
    page.wait("location.search.toLowerCase().includes('seg013')")
    page.wait(f"{_TILES}.length == 2")
    page.click_until(f"{_TILES}[0]", 'document.querySelector("[data-cy=modal]")')
    _count_crops(page)
    page.click(_button("check_circle"))  # the only finding of the image
    page.wait(_SELECTED)
    page.wait("window.crops == 1")  # around the finding of the other image
    page.press("r", 82)  # the one that was selected then
    page.wait("document.body.innerText.includes('nothing is undecided')")


def _look_on_a_phone(page: Page, address: str) -> None:
    """No sidebar covers the grid of a narrow window; fields whose names would cover the pictures are shown without."""
    page.open(address, 390, 844)
    page.wait(f"{_TILES}.length == 2")
    page.wait("localStorage['sidebarVisible-modal-false'] == 'false'")
    page.value('window.__foo__.executeOperator("@segdata/review/arrange", {crowded: ["segments", "outlines"]})')
    stored = "Object.entries(localStorage).find(([name]) => name.startsWith('shownLabelAttributes'))?.[1]"
    page.wait(f"""{stored} == '{{"segments":[],"outlines":[]}}'""")


def _count_crops(page: Page) -> None:
    """Count in the page how often its picture is enlarged."""
    count = f"""e => {{ window.crops += !!e.target.closest("{_CROP}") }}"""
    page.value(f'(window.crops = 0, addEventListener("click", {count}, true))')


def _leave_open(page: Page, address: str) -> None:
    """Go to the first finding, which enlarges the picture around it, and leave the picture open."""
    page.open(address)
    page.wait(f"{_TILES}.length == 2")
    page.click_until(f"{_TILES}[0]", 'document.querySelector("[data-cy=modal]")')
    page.wait(_button("skip_next"))
    _count_crops(page)
    page.press("n", 78)
    page.wait(_SELECTED)
    page.wait("window.crops == 1")
    page.wait("location.search.includes('id=')")


def _review_one_by_one(page: Page, address: str) -> None:
    """Accept the first with a key, and reject the next one, in another view than the last browser had open."""
    page.open(address)
    page.wait(f"{_TILES}.length == 2")
    page.click_until(f"{_TILES}[0]", 'document.querySelector("[data-cy=modal]")')
    page.wait(_button("skip_next"))
    page.press("a", 65)
    page.wait("document.body.innerText.includes('is 0.31')")  # the message of the next one
    page.wait(_SELECTED)
    page.press("r", 82)
    page.wait("document.body.innerText.includes('nothing is undecided')")


_OPTION = 'document.querySelector("[data-cy=saved-views-seg013-stale-measure-selection-option]")'
_TILES = 'document.querySelectorAll("[data-cy=looker]")'
_CROP = "[data-cy=looker-controls] [title^='Crop to content']"
_SELECTED = 'document.querySelector("[data-cy=action-manage-selected]")?.innerText == "1"'


def _button(icon: str) -> str:
    """A button of the plugin: its icon is a letter of a typeface."""
    return f"""[...document.querySelectorAll("[data-cy=modal] span, [data-cy=modal] i")]
        .find(e => !e.children.length && e.textContent == "{icon}")"""


def _flagged(image: str, score: float) -> dict[str, Any]:
    return {
        "code": "SEG901", "rule": "flagged", "severity": "info", "image": image, "annotator": None,
        "segments": [1 + IMAGES.index(image)],
        "category": "car", "message": f"P is {score}", "bbox": [4, 4, 8, 8], "pixels": None, "score": score,
        "file": None, "line": None, "place": None, "fix": None,
    }  # fmt: skip


def test_an_app_that_ends_by_itself_is_told() -> None:
    """Whoever waits for somebody to interrupt it would wait for ever."""
    ended = pytest.raises(SegdataError, match="the App has stopped; all decisions are kept")
    with subprocess.Popen([sys.executable, "-c", ""]) as server, ended:
        App("http://127.0.0.1", server).wait()


def test_without_the_app_the_command_ends(fo: Any, coco: Path, tmp_path: Path) -> None:
    """Findings of a report are shown instead of those of `validate`."""
    finding = _flagged("a.png", 0.5) | {"bbox": None}
    report = tmp_path / "flag.json"
    report.write_text(json.dumps({"version": 1, "findings": [finding]}))
    words = ["browse", str(coco), "--findings", str(report), "--no-launch", "--name", "ended"]
    ended = CliRunner().invoke(main, words)
    assert (ended.exit_code, ended.output) == (0, "segdata: 2 images with 1 finding in FiftyOne's dataset 'ended'\n")
    (shown,) = fo.load_dataset("ended").match({"image_id": "a.png"}).first().findings.detections
    assert (shown.code, shown.score, shown.segment_ids) == ("SEG901", 0.5, ["1"])
