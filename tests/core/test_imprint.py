"""Imprints: the same labels have the same, changed ones another."""

import numpy as np

from segdata.core.annotation import Annotation
from segdata.core.imprint import imprint, imprints
from segdata.core.runs import Runs
from segdata.testing.pictures import draw_picture

NONE = np.empty(0, np.int64)


def _of(picture: str, rows: list[int], box: tuple[int, int, int, int] | None = None) -> str:
    drawing = draw_picture(picture)
    annotation = Annotation.each(drawing.load(np.array([0])))[0]
    return imprint(annotation, drawing.profile, np.array(rows, np.int64), box)


def test_other_ids_and_another_order_change_nothing() -> None:
    assert _of("aab.\n.bb.\na: car\nb: tree", []) == _of("bba.\n.aa.\nb: car\na: tree", [])


def test_of_a_segment_the_others_do_not_matter() -> None:
    assert _of("aab.", [0]) == _of("aa.b", [0])
    assert _of("aab.", []) != _of("aa.b", [])


def test_another_category_and_another_pixel_are_seen() -> None:
    told = {_of("aa.", [0]), _of("aaa", [0]), _of("aa.\na: b", [0])}
    assert len(told) == 3


def test_of_a_box_what_is_outside_does_not_matter() -> None:
    box = (0, 0, 2, 2)
    assert _of("aa.b\na...", [], box) == _of("aab.\na..b", [], box) == _of("aaaa\na.aa", [], box)
    assert _of("aa.b\na...", [], box) != _of("aa.b\naa..", [], box)


def test_of_each_segment_alone_at_once() -> None:
    """The same as one by one, also of a segment without pixels."""
    drawing = draw_picture("aab.\n.bbc")
    annotation = Annotation.each(drawing.load(np.array([0])))[0]
    batch = annotation.batch
    names = [drawing.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    expected = [imprint(annotation, drawing.profile, np.array([row])) for row in range(batch.n_segments)]
    assert imprints(batch.runs, names) == expected
    assert imprints(Runs.empty(), names[:1]) == imprints(Runs.empty(), [names[0], "x"])[:1]
