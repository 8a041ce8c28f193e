"""Every rule's documentation shows what it flags and what not, and is right about it."""

import re
from pathlib import Path

import numpy as np
import pytest

from segdata.core.config import Config
from segdata.core.finding import Defect
from segdata.core.rule import Rule, rules
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.measure.registry import all_families
from segdata.testing.pictures import PictureDataset, RulePicture, draw_picture, find_in_picture, read_pictures

DOCS = Path(__file__).parents[2] / "docs" / "rules"
OURS = [rule for rule in rules().values() if rule.check.__module__.startswith("segdata.rules.")]
PICTURES = [
    pytest.param(rule, picture, id=f"{rule.code}-{number}")
    for rule in OURS
    for number, picture in enumerate(read_pictures(rule.page))
]
# No picture shows files, or many images or frames, or several annotators, or what a model sees: rules about copies,
# about whole datasets, about disputes and about noise have tests of their own.
DISPUTES = {f"SEG4{number:02}" for number in (*range(1, 10), 14, 15)}
WITHOUT_PICTURES = [
    rule
    for rule in OURS
    if not (
        read_pictures(rule.page)
        or rule.needs & {"copies", "noise", "succession"}
        or rule.whole
        or rule.code in DISPUTES
    )
]


@pytest.mark.parametrize(("rule", "picture"), PICTURES)
def test_picture(rule: Rule, picture: RulePicture) -> None:
    findings = find_in_picture(rule, draw_picture(picture.text), **picture.options)
    assert {finding.code for finding in findings} == ({rule.code} if picture.flagged else set())


@pytest.mark.parametrize("rule", [rule for rule in OURS if read_pictures(rule.page)], ids=lambda rule: rule.code)
def test_a_rule_shows_a_flagged_and_a_fine_picture(rule: Rule) -> None:
    assert {picture.flagged for picture in read_pictures(rule.page)} == {True, False}


@pytest.mark.parametrize("rule", WITHOUT_PICTURES, ids=lambda rule: rule.code)
def test_a_rule_without_pictures_passes_on_what_readers_met(rule: Rule) -> None:
    defect = Defect(
        rule.code, "told", file="a.json", place="/annotations/3", line=7, image="1.png", segments=(3, "3"), pixels=5
    )
    other = Defect("SEG099", "of nobody")
    drawing = draw_picture("aa.")
    (finding,) = find_in_picture(rule, PictureDataset(drawing.profile, drawing.batch, (other, defect)))
    assert (finding.code, finding.rule, finding.severity) == (rule.code, rule.name, rule.severity)
    for name in ("message", "file", "place", "line", "image", "segments", "pixels"):
        assert getattr(finding, name) == getattr(defect, name)


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.code)
def test_a_page_is_complete(rule: Rule) -> None:
    folder = "" if rule.command == "validate" else f"{rule.command}."  # `validate` does not import the others
    assert rule.check.__module__ == f"segdata.rules.{folder}{rule.name.replace('-', '_')}"
    heads = ["Why", "Remedy", *(["Options", "Defaults"] if rule.options else [])]
    assert re.findall(r"^(Why|Remedy|Options|Defaults): ", rule.page, re.MULTILINE) == heads, heads
    assert all(option in rule.page.partition("\nOptions: ")[2] for option in rule.options)
    assert re.search(r"^(Example:$|Flagged)", rule.page, re.MULTILINE)


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.code)
def test_the_docs_hold_the_defaults_in_use(rule: Rule) -> None:
    rows = [line for line in (DOCS / f"{rule.code}.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | `{default!r}` |" for name, default in rule.options.items()]


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
@pytest.mark.parametrize("text", ["...", "aa.", "a.\nbb\n\n..\n.b"])
def test_every_rule_can_judge_any_small_dataset(text: str, task: str) -> None:
    tables = measure_source(draw_picture(f"{text}\n\ntask: {task}"), all_families(), jobs=1)
    assert {finding.code for finding in run_rules(tables, OURS, Config()).findings} <= {rule.code for rule in OURS}


def test_a_polygon_is_drawn_where_it_lies() -> None:
    legend = "\n\na: car (polygon 1 0 3 0 3 2 1 2)"
    left_out, drawn = (draw_picture(image + legend).batch.runs for image in ("....\n....", ".aa.\n.aa."))
    assert (left_out.start.tolist(), left_out.length.tolist()) == (drawn.start.tolist(), drawn.length.tolist())
    assert draw_picture(".ab.\n.aa." + legend).batch.n_segments == 2
    for wrong in ("aaa.\n.aa.", ".a..\n.aa."):
        with pytest.raises(ValueError, match="a is not drawn where its polygon lies"):
            draw_picture(wrong + legend)


def test_a_picture_is_what_it_shows() -> None:
    drawing = draw_picture("aab.\naxb.\n\nx = a + b\na, b: car (crowd)\ncoverage: exhaustive\n\n..c\nsplit: train")
    batch = drawing.batch
    assert batch.images["width"].to_pylist() == [4, 3]
    assert batch.images["split"].to_pylist() == [None, "train"]
    assert batch.segments["iscrowd"].to_pylist() == [True, True, False]
    assert batch.segments["category_id"].to_pylist() == [1, 1, 2]
    np.testing.assert_array_equal(batch.runs.areas(3), [4, 3, 1])
    assert drawing.profile.coverage.declared
    assert not drawing.profile.overlap.declared


def test_a_line_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        draw_picture("aa.\ncoverage is exhaustive")


def test_options_of_a_picture_are_read() -> None:
    (picture,) = read_pictures("It.\n\nFine (min_pixels=1, max_share=0.5):\n    aa\n    a.\n\nWhy: so.")
    assert picture == RulePicture(False, {"min_pixels": 1, "max_share": 0.5}, "aa\na.")


def test_a_picture_may_have_a_caption() -> None:
    page = "It.\n\nFlagged, both at once:\n    aa\n\nFine, it is open (min_pixels=1):\n    a.\n"
    assert read_pictures(page) == [RulePicture(True, {}, "aa"), RulePicture(False, {"min_pixels": 1}, "a.")]


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: rule.code)
def test_pictures_of_one_rule_have_headings_that_differ(rule: Rule) -> None:
    headings = [line for line in rule.page.splitlines() if line.startswith(("Flagged", "Fine"))]
    assert len(headings) == len(set(headings))
