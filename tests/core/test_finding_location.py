"""Evidence: the pixels that a finding speaks of are as many as it says, and the right ones."""

from collections.abc import Callable

import numpy as np
import pytest
from pycocotools.mask import encode

from segdata.core.finding import Action, Correction, Finding
from segdata.core.finding_location import Annotation, FindingLocation, locate_finding
from segdata.core.rule import rules
from segdata.testing.pictures import PictureDataset, draw_picture, read_pictures

FindingsIn = Callable[[PictureDataset, str], list[Finding]]
COUNTED = ("SEG101", "SEG102", "SEG104", "SEG106", "SEG107", "SEG111")


def marked(drawing: PictureDataset, row: int, found: FindingLocation) -> np.ndarray:
    """The evidence as a dense picture."""
    height, width = (int(size[row]) for size in drawing.batch.image_size)
    flat = np.zeros(height * width, int)
    for start, length in zip(found.runs.start, found.runs.length, strict=True):
        assert start % height + length <= height
        flat[start : start + length] += 1
    return flat.reshape(width, height).T


@pytest.mark.parametrize("code", COUNTED)
def test_every_documented_picture_has_its_pixels_marked(code: str, findings_in: FindingsIn) -> None:
    """With the rule's own pictures: as many pixels as the finding says, none twice, some in its box."""
    seen = 0
    for picture in read_pictures(rules()[code].page):
        drawing = draw_picture(picture.text)
        if not picture.flagged or picture.options:
            continue
        for finding in findings_in(drawing, code):
            if finding.image is None:
                continue
            row = list(drawing.image_ids).index(finding.image)
            found = locate_finding(Annotation(drawing.load(np.array([row]))), finding)
            dense = marked(drawing, row, found)
            assert dense.max() == 1
            assert dense.sum() == finding.pixels
            x, y, width, height = finding.bbox
            assert dense[y : y + height, x : x + width].any()
            seen += 1
    assert seen > 0


def test_gaps_outside_the_region_of_interest_are_not_marked() -> None:
    drawing = draw_picture("aa.\naa.\ncoverage: exhaustive")
    finding = Finding(code="SEG101", rule="gap", severity="error", message="", image="1.png", pixels=2)
    everywhere = locate_finding(Annotation(drawing.batch), finding)
    assert marked(drawing, 0, everywhere).tolist() == [[0, 0, 1], [0, 0, 1]]
    from pycocotools import mask as coco

    from segdata.core.batch import Batch, replace_column

    roi = np.asfortranarray(np.array([[1, 1, 1], [1, 1, 0]], np.uint8))
    batch = drawing.batch
    limited = Batch(
        replace_column(batch.images, "roi", [coco.encode(roi)["counts"]]), batch.annotations, batch.segments, batch.runs
    )
    assert marked(drawing, 0, locate_finding(Annotation(limited), finding)).tolist() == [[0, 0, 1], [0, 0, 0]]


def test_an_unknown_value_marks_the_region_of_its_first_pixel() -> None:
    drawing = draw_picture("aa..a.\naa..a.")
    finding = Finding(code="SEG009", rule="unknown-value", severity="error", message="", place="x=2, y=0", pixels=4)
    found = locate_finding(Annotation(drawing.batch), finding)
    assert marked(drawing, 0, found).tolist() == [[0, 0, 1, 1, 0, 0]] * 2
    assert found.box == (2, 0, 2, 2)


def test_an_unknown_value_among_many_others_marks_its_first_pixel_alone() -> None:
    drawing = draw_picture("aa....\naa....")
    finding = Finding(code="SEG009", rule="unknown-value", severity="error", message="", place="x=2, y=1", pixels=1)
    found = locate_finding(Annotation(drawing.batch), finding)
    assert (len(found.runs), found.points.tolist(), found.box) == (0, [[2.5, 1.5]], (2, 1, 1, 1))


def test_crossings_are_marked_with_the_outline(findings_in: FindingsIn) -> None:
    drawing = draw_picture(
        "........\n........\n........\n........\n\na: car (polygon 0 0 6 4 6 0 0 4)".replace("\n\n", "\n")
    )
    (finding,) = findings_in(drawing, "SEG114")
    found = locate_finding(Annotation(drawing.batch), finding)
    assert len(found.rings) == 1
    np.testing.assert_allclose(found.points, [[3, 2]])


def test_vertices_outside_the_frame_are_marked() -> None:
    drawing = draw_picture("....\n....\na: car (polygon 1 0 9 0 9 2 1 2)")
    finding = Finding(code="SEG115", rule="out-of-frame", severity="warning", message="", segments=(1,))
    assert locate_finding(Annotation(drawing.batch), finding).points.tolist() == [[9, 0], [9, 2]]


def test_a_declared_box_is_shown() -> None:
    drawing = draw_picture("aa..\naa..\na: car (box 2 0 2 2)")
    finding = Finding(code="SEG013", rule="stale-measure", severity="warning", message="", segments=(1,))
    assert locate_finding(Annotation(drawing.batch), finding).declared == (2, 0, 2, 2)


def test_a_finding_without_a_box_is_looked_for_at_its_segments() -> None:
    drawing = draw_picture("..b.\naab.")
    both = Finding(code="SEG103", rule="duplicate-instance-id", severity="error", message="", segments=(1, 2))
    assert locate_finding(Annotation(drawing.batch), both).box == (0, 0, 3, 2)
    nothing = Finding(code="SEG312", rule="unannotated-image", severity="warning", message="")
    assert locate_finding(Annotation(drawing.batch), nothing).box is None


@pytest.mark.parametrize(
    ("action", "proposed", "changes"),
    [
        ("add", "..##", "..##"),  # a part of a gets another category: the rest of a stays
        ("rename", "###.", "###."),
        ("redraw", ".###", "#..#"),
        ("delete", None, "###."),
        ("split", "##..", "..#."),
    ],
)
def test_a_correction_marks_what_it_would_change(action: Action, proposed: str | None, changes: str) -> None:
    drawing = draw_picture("aaa.")
    counts = () if proposed is None else (encode(np.asfortranarray([[each == "#" for each in proposed]]))["counts"],)
    correction = Correction(action=action, category="car", size=(1, 4), counts=tuple(each.decode() for each in counts))
    finding = Finding(
        code="SEG503", rule="suspected-category", severity="warning", message="", segments=(1,), correction=correction
    )
    found = locate_finding(Annotation(drawing.batch), finding)
    assert marked(drawing, 0, found).tolist() == [[int(each == "#") for each in changes]]
