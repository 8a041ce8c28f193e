"""Adjudication: findings of an agreement are decided in the page, exported and applied, and the labels change."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.agreement.disagreements import PROPOSING_CODES
from segdata.api.agreement import AgreementResult
from segdata.api.decisions import label_hashes
from segdata.core.finding import Decision
from segdata.core.taxonomy import Category, Taxonomy, dump_taxonomy
from tests.chromium import browser, chromium

pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
SIZE = (40, 60)
Masks = list[tuple[np.ndarray, str]]


def disc(x: int, y: int, radius: int) -> np.ndarray:
    down, right = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.asarray((right - x) ** 2 + (down - y) ** 2 <= radius**2)


def drawn(*things: tuple[int, int, int, str]) -> Masks:
    return [(disc(x, y, radius), name) for x, y, radius, name in things]


CELLS = (10, 10, 6, "cell"), (30, 10, 6, "cell"), (50, 10, 6, "knot")
OF = {
    "anna": drawn(*CELLS),
    "ben": drawn(*CELLS),
    "carl": drawn(CELLS[0], (50, 10, 6, "cell"), (20, 30, 5, "cell")),  # misses one, calls one otherwise, adds one
}


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Three annotators of two images, in canonical datasets."""
    for who, masks in OF.items():
        data = segdata.from_arrays({f"{k}.png": masks for k in range(2)}, ["cell", "knot"], annotator=who)
        segdata.convert(data, tmp_path / who)
    return tmp_path


def compared(folder: Path) -> AgreementResult:
    return segdata.agree({who: folder / who for who in OF}, resamples=100, jobs=1)


def pixels(folder: Path, image: str) -> dict[str, set[tuple[int, ...]]]:
    """What each segment of an image covers, by category."""
    result: dict[str, set[tuple[int, ...]]] = {}
    data = segdata.read(folder)
    names = {each.id: each.name for each in data.taxonomy.categories}
    for batch in data.batches():
        ids = batch.images["image_id"].to_pylist()
        for row, category in enumerate(batch.segments["category_id"].to_pylist()):
            if ids[batch.segment_image[row]] == image:
                runs = batch.runs.take(np.array([row]), batch.n_segments)
                place = np.concatenate([np.arange(s, s + n) for s, n in zip(runs.start, runs.length, strict=True)])
                result.setdefault(names[category], set()).add(tuple(place.tolist()))
    return result


def decide(page_file: Path, verdicts: dict[str, str]) -> str:
    """Click a verdict on each card of these codes, and give what the page exports."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium here to decide with")
    with browser(program) as page:
        page.open(page_file.as_uri())
        page.wait("document.querySelector('.verdicts button')")
        page.value(
            """(() => { const name = document.querySelector('input[name=reviewer]'); name.value = 'Quinn';
            name.dispatchEvent(new Event('input', {bubbles: true})); window.exported = null;
            URL.createObjectURL = (b) => { b.text().then((t) => { window.exported = t; }); return '#x'; }; })()"""
        )
        for code, verdict in verdicts.items():
            n = page.value(
                f"""(() => {{ const cards = [...document.querySelectorAll('#findings .verdicts')].filter((each) => {{
                let group = each.closest('article').parentElement; let own = each.closest('article');
                while (own && !own.matches('.group')) own = own.previousElementSibling;
                return own && own.innerText.includes('{code}') && group; }});
                cards.forEach((each) => each.querySelector('button[value={verdict}]').click());
                return cards.length; }})()"""
            )
            assert n, code
        page.click_until("document.querySelector('.review button')", "window.exported")
        return str(page.wait("window.exported"))


def test_decisions_of_the_page_change_the_labels(campaign: Path) -> None:
    result = compared(campaign)
    mine = [each for each in result.findings if each.annotator == "carl" and each.code in PROPOSING_CODES]
    assert {each.code for each in mine} == set(PROPOSING_CODES)
    page = campaign / "page.html"
    page.write_text(result.to_html(jobs=1), "utf-8")
    export = campaign / "decisions.json"
    export.write_text(decide(page, dict.fromkeys(PROPOSING_CODES, "accept")), "utf-8")
    assert {each["verdict"] for each in json.loads(export.read_text())["decisions"]} == {"accept"}
    segdata.pull_decisions(campaign / "carl", str(export))
    segdata.apply_decisions(campaign / "carl")
    for image in ("0.png", "1.png"):
        assert pixels(campaign / "carl", image) == pixels(campaign / "anna", image)
    after = compared(campaign)
    assert after.overall.iou.value == 1
    assert not [each for each in after.findings if each.code in PROPOSING_CODES]


def test_regions_change_where_more_than_half_of_the_others_agree(tmp_path: Path) -> None:
    """Class masks: what is missed is added, what is extra goes, what is called otherwise is relabelled."""
    truth = np.zeros(SIZE, np.uint8)
    truth[20:], truth[5:10, 5:50] = 1, 2
    deviating = truth.copy()
    deviating[20:, :35] = 2  # road called fence
    deviating[5:10, 5:50] = 0  # no fence
    deviating[12:16, 20:40] = 3  # a sign that nobody else has
    categories = [Category(id=k, name=name, kind="stuff") for k, name in enumerate(("road", "fence", "sign"), 1)]
    for who, labels in {"anna": truth, "ben": truth, "carl": deviating}.items():
        folder = tmp_path / "masks" / who
        folder.mkdir(parents=True)
        Image.fromarray(labels).save(folder / "0.png")
        taxonomy = Taxonomy(categories=categories, unlabelled=0)
        (folder / "taxonomy.yaml").write_text(dump_taxonomy(taxonomy))
        segdata.convert(folder, tmp_path / who)
    result = compared(tmp_path)
    mine = [each for each in result.with_proposals().findings if each.code in PROPOSING_CODES]
    assert {each.code for each in mine} == set(PROPOSING_CODES)
    assert all(each.annotator == "carl" and each.correction is not None for each in mine)
    imprints = label_hashes(result.run.dataset, mine)
    decisions = [
        Decision(
            verdict="accept", reviewer="Quinn", time="2026-03-01T10:00:00Z", via="html", image=finding.image,
            annotator="carl", finding=finding, imprint=imprints[finding],
        )
        for finding in mine
    ]  # fmt: skip
    segdata.decide(tmp_path / "carl", decisions)
    segdata.apply_decisions(tmp_path / "carl")
    assert pixels(tmp_path / "carl", "0.png") == pixels(tmp_path / "anna", "0.png")


def test_every_proposal_is_of_a_finding_and_the_rest_stay(campaign: Path) -> None:
    result = compared(campaign)
    proposed = result.with_proposals()
    assert [replace(each, correction=None) for each in proposed.findings] == list(result.findings)
    actions = {each.code: each.correction.action for each in proposed.findings if each.correction is not None}
    assert actions == {"SEG401": "add", "SEG402": "delete", "SEG403": "rename"}
