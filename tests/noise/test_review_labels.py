from dataclasses import replace

import numpy as np

from segdata.core.finding import Box, Decision, Finding, Verdict
from segdata.noise.review_labels import match_decisions

IMAGE = ["a", "a", "a", "a", "b"]
SEGMENT = [1, 2, 2, None, None]  # 2 is in two parts, and something is missing in a and b
WHOSE = ["anna", "anna", "anna", "anna", None]
BOX = np.array([[0, 0, 10, 10], [20, 0, 10, 10], [40, 0, 10, 10], [60, 0, 10, 10], [60, 0, 10, 10]])


def said(
    verdict: Verdict, image: str | None = "a", segment: int | None = None, box: Box | None = None, code: str = "SEG504"
) -> Decision:
    named = () if segment is None else (segment,)
    finding = Finding(code=code, rule="r", severity="warning", message="m", image=image, segments=named, bbox=box)
    return Decision(
        verdict=verdict, reviewer="r", time="2026-01-01T00:00:00Z", via="html", image=image, segment=segment,
        finding=finding,
    )  # fmt: skip


def of(*decisions: Decision) -> dict[int, bool]:
    rows, wrong = match_decisions(decisions, IMAGE, SEGMENT, BOX, WHOSE)
    return dict(zip(rows.tolist(), wrong.tolist(), strict=True))


def test_who_accepts_a_finding_says_that_the_label_is_wrong() -> None:
    box = (0, 0, 10, 10)
    assert of(said("accept", segment=1, box=box)) == {0: True}
    assert of(said("fix", segment=1, box=box)) == of(said("void", segment=1, box=box)) == {0: True}
    assert of(said("reject", segment=1, box=box)) == {0: False}
    assert of(said("unsure", segment=1, box=box)) == {}


def test_of_several_parts_the_box_tells_which() -> None:
    assert of(said("accept", segment=2, box=(41, 0, 10, 10))) == {2: True}
    assert of(said("accept", segment=2, box=(30, 0, 10, 10))) == {}  # it lies beside both


def test_what_is_missing_is_found_by_image_and_box() -> None:
    assert of(said("accept", box=(61, 1, 9, 9)), said("reject", "b", box=(60, 0, 10, 10))) == {3: True, 4: False}
    assert of(said("accept", box=(0, 0, 10, 10))) == {}


def test_the_last_word_counts() -> None:
    box = (0, 0, 10, 10)
    assert of(said("accept", segment=1, box=box), said("reject", segment=1, box=box)) == {0: False}
    assert of(said("accept", segment=1, box=box), said("unsure", segment=1, box=box)) == {0: True}


def test_other_findings_and_other_images_say_nothing() -> None:
    assert of(said("accept", segment=1, box=(0, 0, 10, 10), code="SEG106")) == {}
    assert of(said("accept", "c", segment=1, box=(0, 0, 10, 10)), said("accept", None)) == {}
    assert of() == {}


def test_a_segment_without_a_finding_is_right_where_it_is_accepted() -> None:
    def told(verdict: Verdict, segment: int | None) -> Decision:
        return Decision(verdict=verdict, reviewer="r", time="t", via="python", image="a", segment=segment)

    assert of(told("accept", 1)) == {0: False}
    assert of(told("reject", 1)) == of(told("fix", 1)) == {0: True}
    assert of(told("accept", 2)) == {}  # nobody knows which part
    assert of(told("accept", None)) == {}


def test_what_is_said_of_another_annotators_labels_says_nothing() -> None:
    told = said("accept", segment=1, box=(0, 0, 10, 10))
    assert of(replace(told, annotator="anna")) == {0: True}
    assert of(replace(told, annotator="ben")) == {}
    assert told.finding is not None
    assert of(replace(told, finding=replace(told.finding, annotator="ben"))) == {}
