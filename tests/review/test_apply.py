"""What decisions make of labels, drawn with letters."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.finding import Action, Box, Correction, Decision, Finding, Verdict
from segdata.core.finding_location import Annotation
from segdata.core.runs import mask_to_runs, runs_to_mask
from segdata.core.schema import rle_to_runs, runs_to_rle
from segdata.review.apply import AnnotationResult, apply_to_annotation
from segdata.testing.pictures import PictureDataset, draw_picture

FREE = 100


def no_mend(annotation: Annotation, findings: Sequence[Finding]) -> tuple[Batch, dict[Finding, int]]:
    return annotation.batch, {}


def decision(
    finding: Finding | None, verdict: Verdict = "accept", *, minute: int = 0, segment: int | None = None
) -> Decision:
    time = f"2026-01-01T00:{minute:02d}:00Z"
    return Decision(
        verdict=verdict, reviewer="anna", time=time, via="python", image="1.png", finding=finding, segment=segment
    )  # fmt: skip


def counts(picture: str) -> str:
    """The pixels of x in a picture, as a correction has them."""
    rows = picture.split()
    mask = np.array([[each == "x" for each in row] for row in rows])
    size = (np.array([side]) for side in mask.shape)
    return runs_to_rle(mask_to_runs(mask), *size)[0].as_py().decode()  # type: ignore[no-any-return]


def finding(
    action: Action,
    category: str | None,
    *pieces: str,
    segments: tuple[int, ...] = (),
    size: tuple[int, int],
    joins: int | None = None,
    bbox: Box | None = None,
) -> Finding:
    correction = Correction(action=action, category=category, size=size, counts=tuple(map(counts, pieces)), joins=joins)
    return Finding(
        code="SEG501", rule="made-up", severity="warning", message="", image="1.png", segments=segments, bbox=bbox,
        correction=correction,
    )  # fmt: skip


def run(drawing: PictureDataset, *decisions: Decision) -> AnnotationResult:
    return apply_to_annotation(Annotation.split_batch(drawing.batch)[0], decisions, drawing.profile, no_mend, FREE)


def shown(found: AnnotationResult, drawing: PictureDataset) -> dict[tuple[int, str], str]:
    """The segments of an annotation as they became: id and category -> rows of x."""
    assert found.after is not None
    batch, size = found.after, Annotation(found.after).size
    told = {}
    for row in range(batch.n_segments):
        mask = runs_to_mask(batch.runs.take(np.array([row]), batch.n_segments), *size)
        name = drawing.profile.name_of(batch.segments["category_id"][row].as_py())
        key = (batch.segments["segment_id"][row].as_py(), name)
        told[key] = " ".join("".join("x" if each else "." for each in line) for line in mask)
    return told


def ids(drawing: PictureDataset) -> dict[str, int]:
    """The ids of segments by their category, where each has one of its own."""
    rows = drawing.batch.segments.to_pylist()
    return {drawing.profile.name_of(row["category_id"]): row["segment_id"] for row in rows}


INSTANCES = """
aab.
aab.
....

c: c
category: c
"""
SIZE = (3, 4)


def test_add_on_free_ground_and_where_nothing_may_overlap() -> None:
    more = finding("add", "c", "..xx ..xx ....", size=SIZE)
    for policy, left in (("allow", "..x. ..x. ...."), ("forbid", None)):
        drawing = draw_picture(f"{INSTANCES}\noverlap: {policy}")
        a, b = ids(drawing)["a"], ids(drawing)["b"]
        found = run(drawing, decision(more))
        expected = {(a, "a"): "xx.. xx.. ....", (FREE, "c"): "..xx ..xx ...."}
        assert shown(found, drawing) == expected | ({} if left is None else {(b, "b"): left})
        assert found.free_id == FREE + 1
        assert found.after is not None
        assert found.after.segments["source"].to_pylist()[-1] == "model"
        assert [each.pixels for each in found.done] == [4]


def test_delete_rename_redraw() -> None:
    drawing = draw_picture(f"{INSTANCES}\noverlap: forbid")
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    gone = run(drawing, decision(finding("delete", None, segments=(a,), size=SIZE)))
    assert shown(gone, drawing) == {(b, "b"): "..x. ..x. ...."}
    named = run(drawing, decision(finding("rename", "c", "xx.. xx.. ....", segments=(a,), size=SIZE)))
    assert shown(named, drawing) == {(a, "c"): "xx.. xx.. ....", (b, "b"): "..x. ..x. ...."}
    again = run(drawing, decision(finding("redraw", "a", ".xx. .... ....", segments=(a,), size=SIZE)))
    assert shown(again, drawing) == {(a, "a"): ".xx. .... ....", (b, "b"): ".... ..x. ...."}


def test_split_and_join() -> None:
    drawing = draw_picture("aaa.\naaa.\n....\n")
    a = ids(drawing)["a"]
    pieces = ("x... x... ....", ".xx. .xx. ....")
    found = run(drawing, decision(finding("split", "a", *pieces, segments=(a,), size=SIZE)))
    assert shown(found, drawing) == {(a, "a"): pieces[1], (FREE, "a"): pieces[0]}
    drawing = draw_picture("aab.\naab.\n....\n")
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    found = run(drawing, decision(finding("join", "a", segments=(a,), joins=b, size=SIZE)))
    assert shown(found, drawing) == {(a, "a"): "xxx. xxx. ...."}


MAP = """
rrrr
rrss
ssrr

task: semantic
"""


def test_in_a_map_only_what_is_shown_changes() -> None:
    drawing = draw_picture(f"{MAP}\noverlap: forbid")
    r, s = ids(drawing)["r"], ids(drawing)["s"]
    one = decision(finding("rename", "r", segments=(s,), bbox=(2, 1, 2, 1), size=SIZE))
    other = decision(finding("delete", None, segments=(s,), bbox=(0, 2, 2, 1), size=SIZE), minute=1)
    assert shown(run(drawing, one), drawing) == {(r, "r"): "xxxx xxxx ..xx", (s, "s"): ".... .... xx.."}
    assert shown(run(drawing, other), drawing) == {(r, "r"): "xxxx xx.. ..xx", (s, "s"): ".... ..xx ...."}
    both = run(drawing, other, one)
    assert shown(both, drawing) == {(r, "r"): "xxxx xxxx ..xx"}
    assert not both.conflicts
    again = finding("redraw", "s", ".... .xxx ....", segments=(s,), bbox=(2, 1, 2, 1), size=SIZE)
    found = run(drawing, decision(again))
    assert shown(found, drawing) == {(r, "r"): "xxxx x... ..xx", (s, "s"): ".... .xxx xx.."}


def test_void_takes_the_pixels_of_all() -> None:
    drawing = draw_picture(f"{INSTANCES}\ncategory: nothing (void)\noverlap: allow")
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    found = run(drawing, decision(None, "void", segment=b))
    assert shown(found, drawing) == {(a, "a"): "xx.. xx.. ....", (FREE, "nothing"): "..x. ..x. ...."}
    assert found.after is not None
    assert found.after.segments["source"].to_pylist()[-1] == "human"


def test_without_void_it_is_said_which_line_to_add() -> None:
    drawing = draw_picture(INSTANCES)
    found = run(drawing, decision(None, "void", segment=ids(drawing)["b"]))
    assert found.after is None
    assert found.conflicts[0].why.endswith("- {id: 255, name: void, kind: void}")


def test_a_rejected_segment_goes_and_an_accepted_one_stays() -> None:
    drawing = draw_picture(INSTANCES)
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    found = run(drawing, decision(None, "reject", segment=b), decision(None, "accept", segment=a))
    assert shown(found, drawing) == {(a, "a"): "xx.. xx.. ...."}
    assert len(found.done) == 1


def test_fix_waits_for_a_person() -> None:
    drawing = draw_picture(INSTANCES)
    about = finding("delete", None, segments=(ids(drawing)["a"],), size=SIZE)
    found = run(drawing, decision(about, "fix"))
    assert (found.after, len(found.by_hand), found.conflicts) == (None, 1, [])


def test_the_first_by_time_is_carried_out() -> None:
    drawing = draw_picture(INSTANCES)
    a = ids(drawing)["a"]
    late = decision(finding("delete", None, segments=(a,), size=SIZE), minute=5)
    early = decision(finding("rename", "c", segments=(a,), size=SIZE), minute=1)
    found = run(drawing, late, early)
    assert [each.decision for each in found.done] == [early]
    assert [each.decision for each in found.conflicts] == [late]
    assert (a, "c") in shown(found, drawing)


def test_neighbours_are_moved_together() -> None:
    """Each is drawn where the other was, or was in part, and neither is in the other's way."""
    drawing = draw_picture("aab.\naab.\n....\n\noverlap: forbid")
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    moves = [
        decision(finding("redraw", "a", ".xx. .xx. ....", segments=(a,), size=SIZE), minute=1),
        decision(finding("redraw", "b", "...x ...x ....", segments=(b,), size=SIZE), minute=2),
    ]
    found = run(drawing, *moves)
    assert not found.conflicts
    assert shown(found, drawing) == {(a, "a"): ".xx. .xx. ....", (b, "b"): "...x ...x ...."}


def test_a_neighbour_that_cannot_be_moved_makes_room() -> None:
    drawing = draw_picture("aab.\naab.\n....\n\noverlap: forbid")
    a, b = ids(drawing)["a"], ids(drawing)["b"]
    first = decision(finding("redraw", "a", ".xx. .x.. ....", segments=(a,), size=SIZE), minute=1)
    second = decision(finding("redraw", "b", ".x.. .... ....", segments=(b,), size=SIZE), minute=2)
    found = run(drawing, first, second)
    assert [each.decision for each in found.conflicts] == [second]
    assert shown(found, drawing) == {(a, "a"): ".xx. .x.. ....", (b, "b"): ".... ..x. ...."}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (finding("delete", None, segments=(999,), size=SIZE), "segment 999 does not exist"),
        (finding("add", "c", "x... .... ....", size=(9, 9)), "the correction is of 9 x 9 px, the image of 4 x 3"),
        (finding("add", "moon", "x... .... ....", size=SIZE), "the taxonomy has no category 'moon'"),
        (finding("add", "c", size=SIZE), "the correction has no pixels"),
        (finding("delete", None, size=SIZE), "delete: the finding names no segment"),
    ],
)
def test_what_cannot_be_done_is_a_conflict(asked: Finding, why: str) -> None:
    found = run(draw_picture(INSTANCES), decision(asked))
    assert found.after is None
    assert [each.why for each in found.conflicts] == [why]


def test_damaged_pixels_are_a_conflict() -> None:
    broken = Correction(action="add", category="c", size=SIZE, counts=("\x7f\x7f", "é"))
    about = Finding(code="SEG501", rule="x", severity="warning", message="", image="1.png", correction=broken)
    found = run(draw_picture(INSTANCES), decision(about))
    assert found.conflicts[0].why.startswith("the pixels of the correction are damaged: ")


@st.composite
def proposals(draw: st.DrawFn) -> tuple[PictureDataset, list[Decision]]:
    """A picture of disjoint segments that may not overlap, and things to do with them."""
    rows = draw(st.lists(st.text("abc.", min_size=5, max_size=5), min_size=4, max_size=4))
    drawing = draw_picture("\n".join(["abc..", *rows]) + "\n\ntask: instance\noverlap: forbid")
    known = sorted(ids(drawing).values())
    decisions = []
    for minute in range(draw(st.integers(1, 4))):
        picture = " ".join("".join(draw(st.sampled_from("x.")) for _ in range(5)) for _ in range(5))
        action: Action = draw(st.sampled_from(["add", "delete", "rename", "redraw", "join"]))
        first, second = draw(st.permutations(known))[:2]
        asked = finding(
            action, draw(st.sampled_from("abc")), *([] if action in ("delete", "join") else [picture]), size=(5, 5),
            segments=() if action == "add" else (first,), joins=second if action == "join" else None,
        )  # fmt: skip
        decisions.append(decision(asked, minute=minute))
    return drawing, decisions


@given(proposals())
def test_what_may_not_overlap_never_does(case: tuple[PictureDataset, list[Decision]]) -> None:
    """Every decision is carried out or a conflict, and a pixel outside of what was asked for keeps its segment."""
    drawing, decisions = case
    found = run(drawing, *decisions)
    assert len(found.done) + len(found.conflicts) <= len(decisions)
    after = found.after or drawing.batch
    n = after.n_segments
    masks = [runs_to_mask(after.runs.take(np.array([row]), n), 5, 5) for row in range(n)]
    assert sum((mask.astype(int) for mask in masks), np.zeros((5, 5), int)).max() <= 1
    assert all(mask.any() for mask in masks)
    after.runs.checked(np.full(n, 5), np.full(n, 5))
    if found.after is None:
        assert not found.done
    for each in found.done:
        asked = each.decision.finding.correction if each.decision.finding else None
        if asked is not None and asked.action in ("add", "redraw"):
            assert any(np.array_equal(mask, pixels(asked)) for mask in masks)


def pixels(asked: Correction) -> NDArray[np.bool_]:
    height, width = (np.array([side]) for side in asked.size)
    return runs_to_mask(rle_to_runs(pa.array([asked.counts[0].encode()], pa.binary()), height, width)[0], *asked.size)
