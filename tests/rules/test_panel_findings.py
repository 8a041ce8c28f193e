"""What rules of agreement say of tables written by hand: the limits, the order, who is named, each word."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segdata.core.annotator_pairs import PanelAssessment
from segdata.core.finding import RowFinding
from segdata.core.rule import find_rule
from segdata.core.table import Table
from tests.rules.campaigns import tables_of, with_guideline

PANEL: Any = SimpleNamespace(  # of annotator pairs, what rules read
    annotators=("anna", "ben", "gold"), categories=(SimpleNamespace(name="car"), SimpleNamespace(name="tree"))
)
CHAPTERS = {"definition": "Motors.", "boundary_rule": "To the rim.", "occlusion_rule": "What is seen."}
MOTORS, RIM, SEEN = ('; guideline: "' + text + '"' for text in CHAPTERS.values())
AREAS = (16, 15, 200, 300)  # of segments: of anna, anna, ben, gold
TABLES = with_guideline(
    tables_of(
        [0, 0, 0],
        ["anna", "ben", "gold"],
        [(annotation, 1, area) for annotation, area in zip((0, 0, 1, 2), AREAS, strict=True)],
        np.zeros(1, bool),
    ),
    "car",
    **CHAPTERS,
)
NOTHING = Table({})
Row = tuple[str, str | None]  # cells, and what is said of them

BIASES = "annotator category kind value low high others clusters p found outline is_joined"
BELOW = "annotator category metric value low high bar clusters copied"
DRIFTS = "annotator category kind change low high p stands clusters first last outline"
COPIES = "a b identical alike usual images model stands"
UNCLEAR = "category value low high best without clusters"
REPEATS = "annotator value low high others behind_low clusters"
DISPUTES = "kind annotation segment other category called support others n pixels share near distance"


def cell(text: str) -> object:
    """A number, a flag or a word."""
    try:
        return {"True": True, "False": False}[text]
    except KeyError:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text


def table(header: str, rows: list[str]) -> Table:
    columns = zip(*([cell(text) for text in row.split()] for row in rows), strict=True)
    names = header.split()
    return Table(
        {
            name: np.array(column, object if isinstance(column[0], str) else None)
            for name, column in zip(names, columns, strict=True)
        }
    )


def findings(code: str, sort: str, given: Table, **options: float) -> list[RowFinding]:
    empty = dict.fromkeys(("disputes", "biases", "unclear", "repeats", "below"), NOTHING)
    assessment = PanelAssessment(**(empty | {sort: given}), gold=2)  # type: ignore[arg-type]
    tables = replace(TABLES, annotator_pairs=PANEL, assessment=assessment)
    return list(find_rule(code).check(tables, **options))


def check(code: str, sort: str, header: str, rows: list[Row], **options: float) -> None:
    """Each row alone, and all of them, in the order of the rows."""
    for cells, message in rows:
        assert said(findings(code, sort, table(header, [cells]), **options)) == [message] * bool(message), cells
    expected = [message for _, message in rows if message is not None]
    assert said(findings(code, sort, table(header, [cells for cells, _ in rows]), **options)) == expected


def said(found: list[RowFinding]) -> list[str]:
    return [" ".join(filter(None, (one.annotator, one.category))) + ": " + one.message for one in found]


def test_who_deviates_beyond_the_limits_is_told_by_how_much() -> None:
    rows: list[Row] = [
        (
            "1 0 missed .5 .4 .6 .25 1200 .00021 True .125 False",
            f"ben car: ben misses 50% of car (others 25%) in 1,200 images, p 0.00021{MOTORS}",
        ),
        ("1 0 missed .5 .4 .6 .25 40 .0002 True .126 False", None),
        ("1 0 missed .25 .1 .6 .5 40 .0002 True 0 False", None),
        ("1 0 missed .9 .4 .99 0 40 .0002 False 0 False", None),
        ("2 0 missed .9 .4 .99 0 40 .0002 True 0 False", None),
        (
            "0 1 missed .75 .4 .9 .5 40 .02 True 0 True",
            "anna tree: anna joins 75% of tree with its neighbours (others 50%) in 40 images, p 0.02",
        ),
        (
            "0 1 extra .75 .4 .9 .5 40 .02 True 0 False",
            "anna tree: anna adds 75% of tree (others 50%) in 40 images, p 0.02",
        ),
        (
            "0 1 extra .75 .4 .9 .5 40 .02 True 0 True",
            "anna tree: anna splits tree differently from most others in 75% of its segments (others 50%) in 40 "
            "images, p 0.02",
        ),
        (
            "0 1 confused .75 .4 .9 .5 40 .02 True 0 False",
            "anna tree: anna labels 75% of tree as another category (others 50%) in 40 images, p 0.02",
        ),
        (
            "1 0 offset -.5 -.75 -.25 0 9 .5 True 9 False",
            f"ben car: ben draws car 0.5 px smaller (0.2 to 0.8) in 9 images, p 0.5{RIM}",
        ),
        ("1 0 offset -.49 -.75 -.25 0 9 .5 True 9 False", None),
        ("1 0 offset 3 2 4 0 9 .5 False 9 False", None),
        (
            "0 1 offset 1 .9 2 0 9 .5 True 9 False",
            "anna tree: anna draws tree 1.0 px larger (0.9 to 2.0) in 9 images, p 0.5",
        ),
    ]
    check("SEG406", "biases", BIASES, rows, min_share=0.125, min_offset=0.5)


GOLD = "against gold, the bar is"


@pytest.mark.parametrize("sure", [False, True])
def test_who_is_below_the_bar_is_told_how_surely(sure: bool) -> None:
    rows: list[Row] = [
        (
            "1 0 iou .5 .25 .7 .75 12 0",
            f"ben car: ben: iou of car 0.50 (0.25 to 0.70) {GOLD} 0.75: clearly below{MOTORS}",
        ),
        (
            "1 0 iou .5 .25 .75 .75 12 0",
            f"ben car: ben: iou of car 0.50 (0.25 to 0.75) {GOLD} 0.75: uncertain with 12 images{MOTORS}",
        ),
        (
            "1 -1 boundary_iou .5 .25 .9 .75 1 0",
            f"ben: ben: boundary_iou of all 0.50 (0.25 to 0.90) {GOLD} 0.75: uncertain with 1 image",
        ),
        (
            "0 0 nsd .5 .25 .7 .75 12 0",
            f"anna car: anna: nsd of car 0.50 (0.25 to 0.70) {GOLD} 0.75: clearly below{RIM}",
        ),
        (
            "0 0 boundary_iou .5 .25 .7 .75 12 0",
            f"anna car: anna: boundary_iou of car 0.50 (0.25 to 0.70) {GOLD} 0.75: clearly below{RIM}",
        ),
        (
            "0 1 count_gap 6 4.5 8 4 12 0",
            f"anna tree: anna: count_gap of tree 6.00 (4.50 to 8.00) {GOLD} 4.00: clearly below",
        ),
        (
            "0 1 count_gap 6 4 8 4 12 0",
            f"anna tree: anna: count_gap of tree 6.00 (4.00 to 8.00) {GOLD} 4.00: uncertain with 12 images",
        ),
        (
            "0 0 hd95 6 nan nan 4 12 0",
            f"anna car: anna: hd95 of car 6.00 {GOLD} 4.00: how certain that is cannot be said of a mean of distances "
            f"(12 images){RIM}",
        ),
        ("0 0 assd 6 5 7 4 12 0", f"anna car: anna: assd of car 6.00 (5.00 to 7.00) {GOLD} 4.00: clearly below{RIM}"),
    ]
    shown = [(cells, None if sure and "clearly" not in (text or "") else text) for cells, text in rows]
    check("SEG407", "below", BELOW, shown, sure=sure)


def test_who_copied_gold_is_told_once() -> None:
    rows = ["1 0 iou .9 .8 1 .75 12 .25", "1 1 iou .9 .8 1 .5 12 .5", "0 -1 iou .9 .8 1 .75 12 1"]
    assert said(findings("SEG407", "below", table(BELOW, rows))) == [
        "ben: ben: 25% of the segments are gold's own, so the bar of 0.75 says nothing about ben",
        "anna: anna: 100% of the segments are gold's own, so the bar of 0.75 says nothing about anna",
    ]


def test_what_drifts_is_told_by_how_much_and_of_everything_once() -> None:
    late = "compared with the others in 1,200 images, p 0.0012"
    rows: list[Row] = [
        (
            "0 -1 missed .25 .2 .3 .00121 True 1200 May July .125",
            f"anna: anna misses 25 points more of everything (20 to 30) on July than on May, {late}",
        ),
        ("0 -1 missed .25 .2 .3 .00121 True 1200 May July .126", None),
        ("0 -1 missed .25 .2 .3 .00121 False 1200 May July 0", None),
        ("2 -1 missed .25 .2 .3 .00121 True 1200 May July 0", None),
        (
            "1 0 extra -.25 -.4 .1 .00121 True 1200 May July 0",
            f"ben car: ben adds 25 points less of car (0 to 40) on July than on May, {late}{MOTORS}",
        ),
        (
            "1 1 confused .25 -.1 .3 .00121 True 1200 May July 0",
            f"ben tree: ben labels as another category 25 points more of tree (0 to 30) on July than on May, {late}",
        ),
        (
            "1 0 offset -.5 -.75 -.25 .00121 True 1200 May July 9",
            f"ben car: ben draws car 0.5 px smaller (0.2 to 0.8) on July than on May, {late}{RIM}",
        ),
        ("1 0 offset .49 .25 .75 .00121 True 1200 May July 9", None),
        (
            "1 -1 offset 1 .9 2 .00121 True 1200 May July 9",
            f"ben: ben draws everything 1.0 px larger (0.9 to 2.0) on July than on May, {late}",
        ),
    ]
    options = {"min_change": 0.125, "min_offset": 0.5}
    for cells, message in rows:
        assert said(findings("SEG415", "drifts", table(DRIFTS, [cells]), **options)) == [message] * bool(message)
    # What holds of everything is not said of a category; what others do, or is another kind, is.
    together = ["0 -1 missed", "0 1 missed", "0 1 extra", "1 1 missed", "1 -1 extra", "1 1 extra"]
    stands = [True, True, True, True, False, True]
    rows_of = [f"{own} .5 .2 .6 .1 {good} 9 May July 0" for own, good in zip(together, stands, strict=True)]
    found = findings("SEG415", "drifts", table(DRIFTS, rows_of), **options)
    kinds = [(one.annotator, one.category, one.message.split()[1]) for one in found]
    assert kinds == [
        ("anna", None, "misses"),
        ("anna", "tree", "adds"),
        ("ben", "tree", "misses"),
        ("ben", "tree", "adds"),
    ]
    assert findings("SEG415", "drifts", NOTHING) == []


def test_copies_are_told_beside_what_others_have_alike() -> None:
    rows = [
        (
            "0 1 .5 .75 .01 1200 False True",
            "50% of the segments of anna and ben are identical in 1,200 images (75% nearly)",
        ),
        ("0 2 .5 .5 .01 9 False True", "50% of the segments of anna and gold are identical in 9 images"),
        ("1 2 0 .25 .01 9 False True", "0% of the segments of ben and gold are identical in 9 images (25% nearly)"),
        ("1 2 .1 .24 .01 9 False True", None),
        ("0 1 .9 .9 .01 9 True True", None),
        ("0 1 .9 .9 .01 9 False False", None),
    ]
    for cells, message in rows:
        alone = said(findings("SEG414", "copies", table(COPIES, [cells]), min_share=0.25))
        assert alone == [f": {message}, two who draw by themselves 1%"] * bool(message)
    found = said(findings("SEG414", "copies", table(COPIES, [cells for cells, _ in rows]), min_share=0.25))
    assert found == [f": {message}, others 1%" for _, message in rows if message]


def test_half_a_point_is_nearly() -> None:
    rows = [f"0 1 0 {alike} .01 9 False True" for alike in (0.005, 0.0049)]
    found = findings("SEG414", "copies", table(COPIES, rows), min_share=0)
    assert [" nearly)" in one.message for one in found] == [True, False]


def test_a_category_is_unclear_if_all_agree_too_little_without_the_worst() -> None:
    rows: list[Row] = [
        (
            "0 .5 .4 .7 .74 1 1200",
            "car: agreement on car 0.50 (0.40 to 0.70) in 1,200 images, and 0.74 without ben, who lowers it most"
            f"{MOTORS}",
        ),
        ("0 .5 .4 .75 .74 1 1200", None),
        ("0 .5 .4 .7 .75 1 1200", None),
        ("0 .5 .4 .7 .74 1 11", None),
        (
            "1 .5 .4 .7 .74 0 12",
            "tree: agreement on tree 0.50 (0.40 to 0.70) in 12 images, and 0.74 without anna, who lowers it most",
        ),
    ]
    check("SEG408", "unclear", UNCLEAR, rows, max_agreement=0.75, min_images=12)


def test_who_is_unstable_agrees_less_with_earlier_work_than_others_do() -> None:
    own = "agrees with their own earlier work at 0.50 (0.40 to 0.70) in"
    rows: list[Row] = [
        ("0 .5 .4 .7 nan nan 1200", f"anna: anna {own} 1,200 images"),
        ("0 .5 .4 .75 nan nan 1200", None),
        ("0 .5 .4 .7 nan nan 11", None),
        ("1 .5 .4 .7 .875 .001 12", f"ben: ben {own} 12 images; different annotators agree at 0.88"),
        ("1 .5 .4 .7 .875 0 12", None),
        ("1 .5 .4 .7 .875 .5 11", None),
    ]
    check("SEG409", "repeats", REPEATS, rows, max_agreement=0.75, min_images=12)


MISSED = [
    # kind annotation segment other category called support others n pixels share near distance
    ("missed 1 0 -1 0 -1 1 1 -1 -1 nan nan nan", "car: nothing where anna has car (16 px)"),
    ("missed 1 1 -1 0 -1 1 1 -1 -1 nan nan nan", None),
    ("missed 0 2 0 1 -1 2 3 -1 -1 nan nan nan", "tree: nothing where 2 of 3 others have tree (200 px)"),
    ("missed 0 -1 -1 1 -1 -1 3 -1 1200 .5 nan nan", "tree: nothing where most others have 50% of tree (1,200 px)"),
    ("missed 0 -1 -1 1 -1 -1 1 -1 16 .75 nan nan", "tree: nothing where the other has 75% of tree (16 px)"),
    ("missed 0 -1 -1 1 -1 -1 3 -1 1200 .49 nan nan", None),
    ("missed 0 3 -1 1 -1 0 3 -1 0 .5 nan nan", None),
    ("missed 0 3 -1 1 -1 0 3 -1 300 .5 nan nan", "tree: nothing where 0 of 3 others have 50% of tree (300 px)"),
    ("extra 0 3 -1 1 -1 2 3 -1 -1 nan nan nan", None),
]
EXTRA = [
    ("extra 0 0 -1 0 -1 0 3 -1 -1 nan nan nan", "car: car (16 px) where the others have nothing"),
    ("extra 0 2 -1 1 -1 1 3 -1 -1 nan nan nan", "tree: tree (200 px) where 1 of 3 others have one"),
    ("extra 0 2 -1 1 -1 -1 3 -1 1200 .5 nan nan", "tree: 50% of tree (1,200 px) where the others have nothing"),
    ("extra 0 1 -1 0 -1 0 3 -1 -1 nan nan nan", None),
    ("extra 0 1 -1 0 -1 0 3 -1 100 .25 nan nan", None),
]
CATEGORY = [
    (
        "category 0 0 2 1 0 2 3 -1 -1 nan nan nan",
        f"tree: labelled tree; 2 of 3 others say car (16 px){MOTORS}",
    ),
    ("category 0 0 2 0 1 1 1 -1 -1 nan nan nan", "car: labelled car; the other says tree (16 px)"),
    ("category 0 2 0 0 1 -1 3 -1 -1 nan nan nan", "car: labelled car; most others say tree (200 px)"),
    (
        "category 0 -1 -1 0 -1 -1 3 -1 1200 .5 nan nan",
        f"car: 50% of what most others label car has another category here (1,200 px){MOTORS}",
    ),
    ("category 0 1 -1 0 1 2 3 -1 -1 nan nan nan", None),
]
BOUNDARY = [
    (
        "boundary 0 3 -1 0 -1 2 3 -1 -1 nan .49 5",
        f"car: 49% of the boundaries lie near 3 others', HD95 5.0 px{RIM}",
    ),
    ("boundary 0 3 -1 0 -1 2 2 -1 -1 nan .25 5", f"car: 25% of the boundaries lie near 2 others', HD95 5.0 px{RIM}"),
    ("boundary 0 2 -1 1 -1 1 1 -1 -1 nan 0 7.5", "tree: 0% of the boundaries lie near the other's, HD95 7.5 px"),
    ("boundary 0 2 -1 1 -1 1 1 -1 -1 nan .5 7.5", None),
    ("boundary 0 2 -1 1 -1 1 1 -1 -1 nan 0 4.9", None),
    ("boundary 0 0 -1 1 -1 1 1 -1 -1 nan 0 7.5", None),
]
DIVIDED = [
    ("merge 0 2 -1 0 -1 2 3 4 -1 nan nan nan", f"car: 1 car where most others have 4{SEEN}"),
    ("merge 0 2 -1 1 -1 1 1 2 -1 nan nan nan", "tree: 1 tree where the other has 2"),
    ("merge 0 1 -1 1 -1 1 1 2 -1 nan nan nan", None),
    ("split 0 2 3 0 -1 2 3 2 -1 nan nan nan", f"car: 2 segments where most others have 1 car{SEEN}"),
    ("split 0 2 3 1 -1 1 1 1 -1 nan nan nan", "tree: 1 segment where the other has 1 tree"),
    ("split 0 1 -1 1 -1 1 1 2 -1 nan nan nan", None),
    (
        "joined 0 2 -1 0 -1 2 3 -1 -1 nan nan nan",
        f"car: no car of its own where 2 of 3 others have one (200 px): it is joined with its neighbours{SEEN}",
    ),
    (
        "joined 0 2 -1 1 -1 1 1 -1 -1 nan nan nan",
        "tree: no tree of its own where ben has one (200 px): it is joined with its neighbours",
    ),
    ("joined 0 1 -1 1 -1 1 1 -1 -1 nan nan nan", None),
    ("parted 0 2 -1 0 -1 2 3 -1 -1 nan nan nan", f"car: car (200 px) that most others join with its neighbours{SEEN}"),
    ("parted 0 1 -1 1 -1 1 1 -1 -1 nan nan nan", None),
]


@pytest.mark.parametrize(
    ("code", "rows"),
    [("SEG401", MISSED), ("SEG402", EXTRA), ("SEG403", CATEGORY), ("SEG404", BOUNDARY), ("SEG405", DIVIDED)],
)
def test_disputes_from_the_limits_on_in_words(code: str, rows: list[Row]) -> None:
    check(code, "disputes", DISPUTES, rows)
    by_default = find_rule(code).options
    assert by_default["min_pixels"] == (100 if code == "SEG404" else 16)


def test_a_dispute_is_about_its_segments_or_region() -> None:
    rows = ["missed 1 0 2 0 -1 1 1 -1 -1 nan nan nan", "missed 2 3 -1 0 -1 1 1 -1 0 1 nan nan"]
    found = findings("SEG401", "disputes", table(DISPUTES, rows), min_pixels=0)
    assert [(one.annotation, one.segments, one.pixels) for one in found] == [(1, (0, 2), 16), (2, (3,), 0)]


@pytest.mark.parametrize("code", [f"SEG4{number:02}" for number in (*range(1, 10), 14, 15)])
def test_nothing_is_said_where_nothing_was_compared(code: str) -> None:
    alone = replace(TABLES, annotator_pairs=PANEL), replace(TABLES, assessment=PanelAssessment(*[NOTHING] * 5))
    for tables in (TABLES, *alone):
        assert list(find_rule(code).check(tables)) == []
