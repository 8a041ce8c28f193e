"""Objects in parts, as several annotators drew them: who keeps them, who splits them, and who drew something else."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config
from segdata.core.rule import Tables, find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.rules.occlusion_treatment import kept_parts
from segdata.testing.pictures import PictureDataset, draw_picture

WIDE = 8  # pixels of a letter


def of_one_image(*pictures: str, images: int = 1) -> Tables:
    """What annotators drew on an image, each a row of letters: upper and lower case are two categories."""
    rows = [[line for _ in range(WIDE) for line in ["".join(each * WIDE for each in picture)]] for picture in pictures]
    legend = "a, b, c: car\nA, B: bus"
    drawing = draw_picture("\n\n".join("\n".join(each) for each in rows * images) + f"\n\n{legend}")
    batch = drawing.batch
    n = len(pictures)
    image = np.repeat(np.arange(images), n).astype(np.int32)
    annotations = replace_column(batch.annotations, "image", image)
    annotations = replace_column(annotations, "annotator", [f"annotator {k % n}" for k in range(n * images)])
    shared = Batch(batch.images.slice(0, images), annotations, batch.segments, batch.runs)
    return measure_source(PictureDataset(drawing.profile, shared), find_rule("SEG212").needs, jobs=1)


def rows(found: Table) -> list[tuple[int, bool]]:
    return sorted(zip(found["annotation"].tolist(), found["kept"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        (("aa..aa", "aa..bb"), [(0, True), (1, False)]),  # one keeps, one splits
        (("aa..bb", "aa..aa"), [(0, False), (1, True)]),
        (("aa..aa", "aa..aa", "aa..bb"), [(0, True), (1, True), (2, False)]),  # listed once for both that keep it
        (("aa..aa", "aa..aa"), [(0, True), (1, True)]),
        (("aa..aa", "AA..BB"), []),  # another category
        (("aa..aa", "aa...."), []),  # a part was missed
        (("aa..aa", "aaaaaa"), []),  # drawn over what hides it
        (("aa..aa", "......"), []),
        (("aaaa..", "aaaa.."), []),
        (("aa..bb", "aa..bb"), []),  # nobody keeps it: two things, as far as one can tell
        (("aa..aa",), []),  # nobody to compare with
    ],
)
def test_who_keeps_an_object_and_who_splits_it(pictures: tuple[str, ...], expected: list[tuple[int, bool]]) -> None:
    found = kept_parts(of_one_image(*pictures))
    assert rows(found) == expected
    assert len(np.unique(found["object"])) == bool(expected)


def test_two_objects_are_told_apart() -> None:
    found = kept_parts(of_one_image("a.aA.A", "a.bA.A"))
    assert sorted(zip(*(found[name].tolist() for name in ("category", "annotation", "kept")), strict=True)) == [
        (1, 0, True), (1, 1, False), (2, 0, True), (2, 1, True),
    ]  # fmt: skip


def test_who_makes_parts_into_segments_is_named() -> None:
    rule = find_rule("SEG212")
    tables = of_one_image("aa..aa", "aa..aa", "aa..bb", images=12)
    (found,) = run_rules(tables, [rule], Config()).findings
    assert (found.annotator, found.category) == ("annotator 2", "car")
    assert found.message.startswith(
        "'annotator 2' makes each part of a thing a segment: "
        "0% of 12 things in parts are one segment, for the others 100%"
    )
    alike = of_one_image("aa..aa", "aa..aa", "aa..aa", images=12)
    assert not run_rules(alike, [rule], Config()).findings
    few = of_one_image("aa..aa", "aa..aa", "aa..bb", images=6)
    assert not run_rules(few, [rule], Config()).findings


def test_crowds_are_no_objects() -> None:
    tables = of_one_image("aa..aa", "aa..bb")
    crowd = np.ones(len(tables.segments), bool)
    assert len(kept_parts(replace(tables, segments=tables.segments.beside(iscrowd=crowd)))) == 0
