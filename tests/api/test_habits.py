"""Habits: what is usual in a dataset is one finding, what stands out stays single."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.api.habits import Annotated, FoldedFindings, fold_habits, is_habit
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding, Severity
from segdata.core.rule import rules
from segdata.core.validation import Validation
from segdata.store.fixes import write_fixes

HABITS = {code: rule.habit for code, rule in rules().items() if rule.habit is not None}
NAMES = [f"{number:04}.png" for number in range(200)]


def finding(code: str = "SEG106", image: str | None = "0000.png", pixels: int | None = 3, **more: object) -> Finding:
    values: dict[str, object] = {
        "severity": "warning",
        "message": f"{pixels} px",
        "bbox": (0, 0, 1, pixels or 1),
        **more,
    }
    return Finding(code=code, rule=rules()[code].name, image=image, pixels=pixels, **values)  # type: ignore[arg-type]  # any field


def annotated(images: Sequence[str] = NAMES, n_segments: int = 8, sequence: dict[str, str] | None = None) -> Annotated:
    return Annotated({(name, None): n_segments for name in images}, sequence or {}, 40)


def folded(findings: Sequence[Finding], of: Annotated | None = None) -> FoldedFindings:
    return fold_habits(findings, HABITS, of or annotated())


def test_an_enlarged_mask_is_told_once_with_its_images() -> None:
    (summary,) = folded([finding("SEG118", name, 900) for name in NAMES]).findings
    assert (summary.count, summary.images, summary.image, summary.pixels) == (200, tuple(NAMES), None, 200 * 900)
    assert summary.message.startswith("usual in this dataset: 200 findings in 200 of 200 images")


def test_a_message_that_all_findings_share_keeps_its_cause() -> None:
    cause = "value 5 is unknown: do your classes begin at 1?"
    (summary,) = folded([finding("SEG118", name, 900, message=cause) for name in NAMES]).findings
    assert summary.message.endswith(f"; {cause}")
    two = [finding("SEG118", name, 900, message=f"value 5 is unknown: {name}") for name in NAMES]
    assert folded(two).findings[0].message.endswith("; value 5 is unknown")
    key = [finding("SEG118", name, 900, message=f"bbox: is {name}, expected float") for name in NAMES]
    assert "bbox: is 0" in folded(key).findings[0].message


def test_images_that_were_never_fetched_are_told_once() -> None:
    """1,906 photographs of a public repository are pointers of Git LFS."""
    cause = "image cannot be read: is a pointer of Git LFS, not the image; run `git lfs pull`"
    (summary,) = folded([finding("SEG001", name, None, message=cause, bbox=None) for name in NAMES]).findings
    assert summary.message == f"usual in this dataset: 200 findings in 200 of 200 images: {cause}"


def test_paths_above_the_root_and_ids_of_all_zeros_are_told_once(tmp_path: Path) -> None:
    square = [[1, 1, 5, 1, 5, 5, 1, 5]]
    annotation = {"category_id": 1, "segmentation": square, "area": 16, "bbox": [1, 1, 4, 4], "iscrowd": 0}
    document = {
        "images": [{"id": k, "file_name": f"../{k}.jpg", "width": 20, "height": 20} for k in range(40)],
        "annotations": [{"id": k + 1, "image_id": k, **annotation} for k in range(40)],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    (summary,) = segdata.validate(tmp_path / "a.json", select="SEG015").findings
    assert (summary.count, len(summary.images), summary.severity) == (40, 40, "error")
    (summary,) = folded([finding("SEG103", name, message="id 0 is on 9 segments") for name in NAMES]).findings
    assert summary.count == 200


def test_few_findings_stay_as_they_are() -> None:
    several = [finding(image=name) for name in NAMES[:4]]
    assert folded(several, annotated(NAMES[:4])).findings == tuple(several)  # all images, and yet few
    rare = [finding(image=name) for name in NAMES[:8]]
    assert folded(rare).findings == tuple(rare)  # 8 of 200 images are slips


def test_a_rule_without_habit_is_never_folded() -> None:
    single = [finding("SEG312", name) for name in NAMES]
    assert rules()["SEG312"].habit is None
    assert folded(single).findings == tuple(single)


def test_entries_of_one_file_with_one_cause_are_one_finding() -> None:
    """Category names in place of ids: every annotation of the file, and no image is known."""
    several = [
        finding(code, None, None, bbox=None, file="coco.json", place=f"/annotations/{row}", message=message)
        for row in range(9)
        for code, message in (("SEG004", f"is the text 'car {row}', expected int"), ("SEG007", f"{row} is no image"))
    ]
    another = finding(
        "SEG004", None, None, bbox=None, file="coco.json", place="/annotations/9", message="'id' is missing"
    )
    second, first, third = folded([*several, another]).findings
    assert (first.count, second, third.count) == (9, another, 9)
    assert first.message == (
        "9 findings of one cause: is the text 'car 0', expected int; at /annotations/0, /annotations/1, "
        "/annotations/2, /annotations/3, /annotations/4, …"
    )
    assert folded(several[:8]).findings == tuple(sorted(several[:8], key=Finding.order))  # four of each


def test_what_stands_out_in_pixels_stays_single() -> None:
    usual = [finding(image=name, pixels=1 + number % 5) for number, name in enumerate(NAMES)]
    giant = finding(image="0007.png", pixels=400)
    result = folded([*usual, giant]).findings
    assert giant in result
    assert [each.count for each in result if each is not giant] == [200]


def test_an_image_with_many_more_than_others_has_a_finding_of_its_own() -> None:
    usual = [finding(image=name, bbox=(x, 0, 1, 1)) for name in NAMES for x in range(2)]
    crowd = [finding(image="0003.png", bbox=(x, 9, 1, 1)) for x in range(60)]
    own = next(each for each in folded([*usual, *crowd]).findings if each.image == "0003.png")
    assert own.count == 62
    assert own.message.startswith("62 findings, an image here usually has 2")


def test_an_image_with_many_segments_does_not_stand_out_for_that() -> None:
    of = Annotated({(name, None): 90 if name == "0003.png" else 3 for name in NAMES}, {}, 40)
    several = [
        finding("SEG013", name, None, bbox=(x, 0, 1, 1), message=f"declared box {x}")
        for name in NAMES
        for x in range(of.segments[name, None])
    ]
    (summary,) = folded(several, of).findings
    assert summary.count == len(several)


@pytest.mark.parametrize("who", ["annotator", "sequence"])
def test_a_habit_of_one_annotator_or_sequence_is_one_finding(who: str) -> None:
    own, images = NAMES[:10], [*NAMES, *(f"other {name}" for name in NAMES)]
    if who == "annotator":
        of = Annotated({(name, "anna" if name in own else "ben"): 5 for name in images}, {}, 40)
        several = [finding(image=name, annotator="anna") for name in own]
    else:
        of = annotated(images, sequence={name: "anna" if name in own else "ben" for name in images})
        several = [finding(image=name) for name in own]
    elsewhere = finding(image="0150.png", annotator="ben" if who == "annotator" else None)
    summary, single = sorted(folded([*several, elsewhere], of).findings, key=lambda each: -each.count)
    assert (summary.count, summary.images, single) == (10, tuple(own), elsewhere)
    assert "10 of 10 images" in summary.message
    assert "anna" in summary.message


def test_unused_categories_are_one_finding_with_their_names() -> None:
    names = [f"thing {number}" for number in range(30)]
    several = [finding("SEG204", None, None, category=name, bbox=None, message=f"none of {name}") for name in names]
    (summary,) = folded(several).findings
    assert summary.categories == tuple(sorted(names))
    assert summary.message.startswith("30 of 40 categories: thing 0, ")
    assert folded(several[:4]).findings == tuple(several[:4])


def test_a_sample_that_has_few_of_every_category_is_one_finding() -> None:
    several = [finding("SEG204", None, None, category=name, bbox=None, message=f"1 image of {name}") for name in "abc"]
    few = Annotated({("1.png", None): 3}, {}, 4)
    (summary,) = fold_habits(several, {"SEG204": "category"}, few).findings
    assert summary.message == "3 of 4 categories: a, b, c; for example a: 1 image of a"
    assert fold_habits(several[:1], {"SEG204": "category"}, few).findings == tuple(several[:1])


def test_severities_are_not_mixed() -> None:
    kinds: tuple[Severity, ...] = ("error", "warning")
    result = folded([finding("SEG101", name, severity=severity) for name in NAMES for severity in kinds]).findings
    assert [(each.severity, each.count) for each in result] == [("error", 200), ("warning", 200)]


LISTS = st.lists(
    st.builds(
        finding,
        code=st.sampled_from(["SEG004", "SEG106", "SEG204"]),
        image=st.sampled_from([*NAMES[:12], None]),
        pixels=st.one_of(st.none(), st.integers(0, 10**6)),
        annotator=st.sampled_from([None, "anna"]),
        category=st.sampled_from([None, *"abcdefghijkl"]),
        severity=st.sampled_from(["error", "warning"]),
    ),
    max_size=60,
    unique=True,
)


@given(LISTS, st.randoms(use_true_random=False))
def test_nothing_is_lost_or_told_twice_in_any_order(several: list[Finding], random: object) -> None:
    of = annotated(NAMES[:12])
    result = folded(several, of)
    unfolded = [one for each in result.findings for one in result.members.get(each, (each,))]
    assert sorted(unfolded, key=Finding.order) == sorted(several, key=Finding.order)
    assert sum(each.count for each in result.findings) == len(several)
    for summary, members in result.members.items():
        assert {(one.code, one.severity) for one in members} == {(summary.code, summary.severity)}
        assert set(summary.images) <= {one.image for one in members}
    random.shuffle(several)  # type: ignore[attr-defined]  # a random.Random
    assert folded(several, of) == result


@given(st.integers(1, 400), st.data())
def test_more_images_never_make_less_of_a_habit(n: int, data: st.DataObject) -> None:
    having = data.draw(st.integers(0, n - 1))
    assert is_habit(having, n) <= is_habit(having + 1, n)
    assert not is_habit(0, n)


def result(findings: Sequence[Finding]) -> Validation:
    fold = folded(findings)
    return Validation("DATA", 200, 1600, fold.findings, members=fold.members)


USUAL = [finding(image=name) for name in NAMES]


def test_a_baseline_of_before_habits_knows_their_members() -> None:
    now = result(USUAL).against(USUAL)
    assert now.findings == ()
    assert now.baseline is not None
    assert now.baseline.fixed == ()


def test_only_what_is_new_among_usual_findings_is_new() -> None:
    now = result(USUAL).against(USUAL[:-1])
    assert now.findings == (USUAL[-1],)


def test_a_new_habit_is_one_new_finding() -> None:
    (new,) = result(USUAL).against([]).findings
    assert new.count == 200


def test_a_habit_of_the_baseline_covers_what_is_left_of_it() -> None:
    before = result(USUAL).findings
    assert result(USUAL).against(before).findings == ()
    left = result(USUAL[:3]).against(before)
    assert left.findings == ()
    assert left.baseline is not None
    assert len(left.baseline.known) == 3
    other = finding("SEG107")
    assert result([*USUAL[:3], other]).against(before).findings == (other,)
    gone = result([]).against(before)
    assert gone.baseline is not None
    assert gone.baseline.fixed == before


def speckled(n_images: int) -> dict[str, np.ndarray]:
    mask = np.zeros((40, 40), np.uint8)
    mask[5:30, 5:30] = 1
    mask[35, 35] = 1
    return {f"{number}.png": mask for number in range(n_images)}


def test_validate_folds_and_lists_one_by_one_when_asked() -> None:
    data = segdata.from_arrays(speckled(30), ["background", "road"])
    (summary,) = segdata.validate(data, select="SEG106").findings
    assert summary.count == 30
    single = segdata.validate(data, select="SEG106", one_by_one=True).findings
    assert len(single) == 30
    assert segdata.validate(data, select="SEG106").single == single


def test_fixes_reach_folded_findings(tmp_path: Path) -> None:
    segdata.convert(segdata.from_arrays(speckled(30), ["background", "road"]), tmp_path / "data")
    result = segdata.validate(tmp_path / "data", select="SEG106")
    assert [each.fix for each in result.findings] == ["unsafe"]
    segdata.fix(tmp_path / "data", unsafe=True)
    assert segdata.validate(tmp_path / "data", select="SEG106").findings == ()


def test_a_finding_that_stands_for_many_is_fixed_as_these(tmp_path: Path) -> None:
    segdata.convert(segdata.from_arrays(speckled(30), ["background", "road"]), tmp_path / "data")
    result = segdata.validate(tmp_path / "data", select="SEG106")
    assert [each.count for each in result.findings] == [30]
    dry = segdata.fix(tmp_path / "data", result.findings, unsafe=True, dry_run=True)
    assert (dry.findings, dry.revision) == (result.single, None)
    done = segdata.fix(tmp_path / "data", result.findings, unsafe=True)
    assert (done.findings, done.n_images, done.revision) == (result.single, 30, "r0002")
    assert segdata.validate(tmp_path / "data", select="SEG106").findings == ()
    with pytest.raises(SegdataError, match="which 30 findings SEG106 stands for is not known"):
        segdata.fix(tmp_path / "data", result.findings, unsafe=True)


def test_only_single_findings_say_what_to_mend(tmp_path: Path) -> None:
    segdata.convert(segdata.from_arrays(speckled(30), ["background", "road"]), tmp_path / "data")
    data = segdata.read(tmp_path / "data")
    findings = segdata.validate(data, select="SEG106").findings
    with pytest.raises(SegdataError, match="SEG106 stands for 30 findings"):
        write_fixes(data, findings, unsafe=True)
    assert write_fixes(data, findings) is None


def test_what_stands_out_from_a_habit_stays_single() -> None:
    several = [finding(image=name, pixels=3) for name in NAMES[:60]]
    several += [finding(image=NAMES[70], pixels=4000)]
    several += [finding(image=NAMES[80], pixels=3, bbox=(x, 0, 1, 3)) for x in range(60)]
    folded = fold_habits(several, HABITS, annotated()).findings
    assert {(each.image, each.count) for each in folded} == {(None, 60), (NAMES[70], 1), (NAMES[80], 60)}


@pytest.mark.parametrize(
    ("config", "severity"),
    [
        ("", "info"),
        ("severity: {SEG106: warning}", "warning"),
        ("severity: {speck: error}", "error"),
        ("overrides: [{image: '*', severity: {SEG106: warning}}]", "warning"),
        ("overrides: [{image: '*', ignore: [SEG107]}]", "info"),
    ],
)
def test_a_configured_severity_holds_for_habits_too(config: str, severity: str, tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[5:20, 5:20] = labels[30, 30] = 1
    write_masks(tmp_path, labels, 8)
    (tmp_path / "segdata.yaml").write_text(config)
    for one_by_one, count in ((False, 1), (True, 8)):
        findings = segdata.validate(tmp_path, select="SEG106", one_by_one=one_by_one).findings
        assert [each.severity for each in findings] == [severity] * count


def write_masks(folder: Path, labels: np.ndarray, n: int) -> None:
    """Masks with the same labels, which mean 1: `car`."""
    from PIL import Image

    (folder / "masks").mkdir()
    for number in range(n):
        Image.fromarray(labels).save(folder / "masks" / f"{number}.png")
    taxonomy = "unlabelled: 0\ncategories: [{id: 1, name: car}]\n"
    (folder / "taxonomy.yaml").write_text(taxonomy)
