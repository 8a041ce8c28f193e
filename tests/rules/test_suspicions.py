"""What rules of `flag` say of tables written by hand: the limits, the words, who is named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segdata.core.finding import Correction, RowFinding
from segdata.core.rule import Candidates, Tables, find_rule
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture
from tests.rules.campaigns import with_guideline
from tests.rules.test_suspected_boundary import ROW

TABLES = with_guideline(measure_source(draw_picture("aa\naa\n\na: car\n"), frozenset()), "car", definition="Motors.")


def suspecting(kind: str, rows: list[dict[str, Any]], **correction: Any) -> Tables:  # Any: values of all types
    """Tables with suspects of this type, but for `ROW`, and one proposal for all."""
    lines = [ROW | {"type": kind} | row for row in rows]
    columns = {name: [line[name] for line in lines] for name in ROW}
    text = {name: object if isinstance(values[0], str) else None for name, values in columns.items()}
    suspects = Table({name: np.array(values, text[name]) for name, values in columns.items()})
    proposed = Correction(**({"action": "delete", "category": "car", "size": (2, 2)} | correction))
    return replace(TABLES, candidates=Candidates(suspects, (proposed,) * len(rows)))


@pytest.mark.parametrize(
    ("kind", "code", "row", "correction", "message"),
    [
        ("missing", "SEG501", {"segment": -1, "category": "", "seen": "car", "pixels": 1200, "believed_seen": 0.75},
         {"action": "add"}, "may be missing: P, the model predicts 1,200 px (probability 0.75); add car"),
        ("extra", "SEG502", {"believed": 0.25}, {}, "may be extra: P, the model gives it 0.25; delete it"),
        ("extra", "SEG502", {"believed": 0.5}, {},
         "may be extra: P, it is unlike other segments of its category, although the model gives it 0.50; delete it"),
        ("category", "SEG503", {"believed": 0.25, "believed_seen": 0.75, "seen": "van"},
         {"action": "rename", "category": "van"},
         "may be van: P, the model gives 0.75 for it and 0.25 for car; rename it to van"),
        ("boundary", "SEG504", {"believed": 0.25}, {"action": "redraw", "iou": None},
         "may have the wrong outline: P, the model gives it 0.25; redraw it"),
        ("merge", "SEG505", {"seam": 1200}, {"action": "split", "counts": ("1",)},
         "may be several segments: P, the model predicts an edge of 1,200 px through it; split it into 1 pieces"),
        ("merge", "SEG505", {"seam": 1}, {"action": "split", "counts": ("1", "2")},
         "may be two segments: P, the model predicts an edge of 1 px through it; split it into 2 pieces"),
        ("merge", "SEG505", {"seam": 0, "believed": 0.25}, {"action": "split", "counts": ("1", "2", "3")},
         "may be 3 segments: P, the model gives it 0.25; split it into 3 pieces"),
        ("split", "SEG506", {}, {"action": "join", "joins": "car 2"},
         "may be a piece of a larger segment: P, the model predicts no edge there; join it with car 2"),
        ("shift", "SEG507", {"right": -2.6, "down": 1.4}, {"action": "redraw"},
         "may be misplaced: P, the model predicts it 3 px to the left and 1 px down; redraw it"),
        ("shift", "SEG507", {"right": 0.4, "down": -0.4}, {"action": "redraw"},
         "may be misplaced: P, the model predicts it elsewhere; redraw it"),
    ],
)  # fmt: skip
def test_each_kind_says_what_the_model_sees(
    kind: str, code: str, row: dict[str, Any], correction: dict[str, Any], message: str
) -> None:
    (found,) = find_rule(code).check(suspecting(kind, [row], **correction))
    assert found.message.replace("P 0.12 to 0.55", "P").endswith(message)
    others = [f"SEG50{number}" for number in range(1, 8) if f"SEG50{number}" != code]
    assert not any(list(find_rule(other).check(suspecting(kind, [row], **correction))) for other in others)


KINDS = ("missing", "extra", "category", "boundary", "merge", "split", "shift")


@pytest.mark.parametrize(("number", "kind"), list(enumerate(KINDS, start=1)))
def test_from_the_least_probability_on_and_as_certain_as_it_is(number: int, kind: str) -> None:
    rows: list[dict[str, Any]] = [{"probability": value, "segment": -1} for value in (0.49, 0.5, 0.25, 0.24, 0.9)]
    rows[-1]["flagged"] = False
    rows[1]["whole"] = False
    tables = suspecting(kind, rows)
    found: list[RowFinding] = list(find_rule(f"SEG50{number}").check(tables, min_probability=0.25))
    assert [one.score for one in found] == [0.49, 0.5, 0.25]
    certain = [" may " in one.message for one in found], ["probably" in one.message for one in found]
    assert certain == ([True, False, True], [False, True, False])
    assert len(list(find_rule(f"SEG50{number}").check(tables))) == 4
    assert list(find_rule(f"SEG50{number}").check(TABLES)) == []


def table(header: str, *rows: tuple[Any, ...]) -> Table:
    columns = zip(header.split(), zip(*rows, strict=True), strict=True)
    return Table({name: np.array(values, object if isinstance(values[0], str) else None) for name, values in columns})


def test_a_confusion_must_exceed_what_is_expected_by_a_share_of_both() -> None:
    confusions = table(
        "given seen n reverse expected images p",
        ("car", "van", 60, 40, 35.0, 1200, 0.25),  # 25 of 100
        ("car", "van", 60, 40, 35.1, 1200, 0.25),
        ("van", "car", 1, 0, 0.5, 1, 0.125),
        ("van", "car", 3000, 1000, 0.0, 1, 0.0),
    )
    tables = replace(TABLES, candidates=Candidates(Table({}), (), confusions=confusions))
    found = list(find_rule("SEG508").check(tables, min_share=0.25))
    assert [(one.category, one.message, one.score) for one in found] == [
        ("car", "60 segments labelled car look like van, and 40 the reverse; 35.0 were expected; in 1,200 images, "
         'p 0.25; guideline: "Motors."', 0.75),
        ("van", "1 segment labelled van looks like car, and 0 the reverse; 0.5 were expected; in 1 image, p 0.12",
         0.875),
        ("van", "3,000 segments labelled van look like car, and 1,000 the reverse; 0.0 were expected; in 1 image, "
         "p 0", 1.0),
    ]  # fmt: skip


def test_an_annotator_or_a_group_is_doubted_from_the_least_difference_on() -> None:
    doubted = table(
        "column name difference usual n p",
        ("annotator", "ben", 0.25, 0.125, 1200, 0.25),
        ("annotator", "anna", 0.24, 0.125, 1200, 0.25),
        ("month", "May", 0.5, 0.25, 1, 0.0),
    )
    tables = replace(TABLES, candidates=Candidates(Table({}), (), doubted=doubted))
    found = list(find_rule("SEG509").check(tables, min_difference=0.25))
    assert [(one.annotator, one.message, one.score) for one in found] == [
        ("ben", "labels by ben have an error probability 0.25 above that of others on similar images (0.12 overall); "
         "1,200 images compared, p 0.25", 0.75),
        (None, "labels of month May have an error probability 0.50 above that of others on similar images (0.25 "
         "overall); 1 image compared, p 0", 1.0),
    ]  # fmt: skip


def test_an_unusual_label_is_named_by_its_source_and_by_the_part_that_is_unusual() -> None:
    measured = measure_source(draw_picture("ab\nab\n\na: car\nb: car\n"), frozenset())
    columns = {name: measured.segments[name] for name in measured.segments.names}
    columns |= {"segment_id": np.array([7, 8]), "source_id": np.array([None, "s8"], object)}
    unusual = table(
        "annotation segment category x y width height pixels whole oddest",
        (0, 0, "car", 0, 1, 2, 3, 1200, True, "size"),
        (0, 1, "car", 4, 5, 6, 7, 1300, False, ""),
    )
    candidates = Candidates(Table({}), (), unusual=unusual)
    found = list(find_rule("SEG510").check(replace(measured, segments=Table(columns), candidates=candidates)))
    after = "of 2 unusual labels; the model does not know this dataset, so look whether it is wrong"
    assert [(one.message, one.segments, one.annotation, one.category, one.bbox, one.pixels) for one in found] == [
        (f"car 7 is an unusual label (size): rank 1 {after}", (0,), 0, "car", (0, 1, 2, 3), 1200),
        (f"1,300 px of car s8 is an unusual label: rank 2 {after}", (1,), 0, "car", (4, 5, 6, 7), 1300),
    ]
    assert list(find_rule("SEG510").check(replace(measured, candidates=Candidates(Table({}), ())))) == []
    assert list(find_rule("SEG510").check(measured)) == []
