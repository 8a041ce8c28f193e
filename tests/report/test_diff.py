"""The text report of a difference, at 80 columns."""

from collections import Counter

import pytest

from segdata.report.console import Console
from segdata.report.diff import diff_json, diff_text
from segdata.store.diff.changes import (
    DIFFERENCE_KINDS,
    KIND_SUMMARIES,
    DatasetChange,
    DatasetSide,
    Difference,
    KindCount,
)

A = DatasetSide("/data/" + "long/" * 30 + "a.json", "coco-instances", 1500, 4784, Counter(SEG005=2))
B = DatasetSide("/data/b", "canonical", 1499, 4784)
GONE = DatasetChange(
    kind="segment-missing", message="1,200 px in A only", image="batch_1/000006.jpg", annotator="anna",
    segment_a=17, category_a="Cigarette", pixels=1200, bbox=(1, 2, 30, 40),
)  # fmt: skip
BOTH = DatasetChange(
    kind="category", message="car in A, van in B", image="x.png", segment_a=1, segment_b="uuid", category_a="car",
    category_b="van", bbox=(0, 0, 3, 4),
)  # fmt: skip


def difference(**changed: object) -> Difference:
    values: dict[str, object] = {
        "a": A, "b": B, "paired_by": "id", "n_images": 1499, "n_kept": 4700, "n_same": 4650,
        "counts": {
            "segment-missing": KindCount(2, 1, 2400),
            "category": KindCount(1, 1, 0),
            "segment-id": KindCount(9, 3, 0),
        },
        "changes": (GONE, BOTH), "moves": {("Cigarette", None): 2400, ("car", "van"): 12},
    }  # fmt: skip
    return Difference(**{**values, **changed})  # type: ignore[arg-type]  # as above


def said(found: Difference, width: int = 80) -> str:
    return diff_text(found, ["a.json", "b"], Console(width))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_it_fits_the_paper(width: int) -> None:
    assert max(map(len, said(difference(paired_by="name"), width).splitlines())) <= width


def test_what_differs_how_often_and_where_the_first_is() -> None:
    text = said(difference())
    assert "segment-missing: 2 segments in 1 image, 2,400 px\n" in text
    assert "  batch_1/000006.jpg: Cigarette 17, at x 1, y 2, 30 x 40 px, by anna\n    1,200 px in A only\n" in text
    assert "  … and 1 more\n" in text
    assert "  x.png: car 1 / uuid, at x 0, y 0, 3 x 4 px\n    car in A, van in B\n" in text
    assert "  Cigarette  ->  nothing  2,400 px\n  car        ->  van         12 px\n" in text
    assert "different: 2 kinds of difference\n" in text
    assert "4,700 of 4,784 segments of A have the same pixels and category in B, 4,650" in " ".join(text.split())
    assert "counted, but not as differences without --strict: segment-id 9\n" in text
    assert "; noticed while reading: SEG005 2" in " ".join(text.split())


def test_how_images_were_paired_is_said_where_it_was_not_by_id() -> None:
    assert "paired by" not in said(difference())
    assert "images are paired by their ids without extension" in " ".join(said(difference(paired_by="stem")).split())


def test_nothing_more_is_said_where_nothing_differs() -> None:
    text = said(difference(counts={}, changes=(), moves={}))
    assert text.endswith("\n\nsame: 1,499 images, 4,784 segments: the same pixels, categories and attributes\n")
    assert "next" not in text


def test_many_moves_are_cut() -> None:
    moves = {(f"c{k}", None): 100 - k for k in range(20)}
    assert "… and 12 more pairs of categories" in said(difference(moves=moves))


def test_what_was_not_listed_is_counted() -> None:
    assert '"omitted": 1\n' in diff_json(difference())


def test_every_kind_is_explained() -> None:
    assert tuple(KIND_SUMMARIES) == DIFFERENCE_KINDS
