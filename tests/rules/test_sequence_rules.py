"""SEG351 to 358, and SEG106 and 107 in volumes: what is found where, and what is left alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from segdata.core.batch import Batch
from segdata.core.config import Config, Layers, Sequences
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.profile import Profile, SequenceKind
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.testing.strategies import videos
from tests.generators.sample.dataset import render_video, write_video
from tests.generators.sequences import SequenceDataset, sequence_dataset

VIDEO = ["SEG351", "SEG352", "SEG353", "SEG354", "SEG355", "SEG356", "SEG357"]


def found(code: str, labels: np.ndarray, options: dict[str, object] | None = None, **how: object) -> list[Finding]:
    rule = find_rule(code)
    tables = measure_source(sequence_dataset(labels, **how), rule.needs, jobs=1)  # type: ignore[arg-type]  # tests pass what fits
    return list(run_rules(tables, [rule], Config(rules={code: options or {}})).findings)


def square(frames: int, places: dict[int, tuple[int, int] | None], size: int = 40, side: int = 8) -> np.ndarray:
    """A square of label 1 in each frame at (10, 10), or where `places` says: elsewhere, or nowhere."""
    labels = np.zeros((frames, size, size), np.int64)
    for frame in range(frames):
        place = places.get(frame, (10, 10))
        if place is not None:
            labels[frame, place[0] : place[0] + side, place[1] : place[1] + side] = 1
    return labels


def test_a_category_for_a_while_is_one_finding_a_stretch() -> None:
    labels = square(9, {})
    labels[3:5] *= 2
    labels[7] *= 2
    findings = found("SEG351", labels, tracks=(7, 7))
    assert [(each.image, each.pixels) for each in findings] == [("0003.png", 128), ("0007.png", 64)]
    assert findings[0].message == "track 7 is c2 in frames 3 to 4, but c1 in 6 frames"


@pytest.mark.parametrize(("n_boxes", "later", "n"), [(5, False, 1), (4, False, 0), (5, True, 0)])
def test_tracks_that_begin_as_boxes(n_boxes: int, later: bool, n: int) -> None:
    """Five tracks of six frames; one corner of the outlines is missing."""
    labels = np.zeros((6, 20, 120), np.int64)
    for track in range(5):
        labels[:, 4:14, 20 * track : 20 * track + 9] = track + 1
        labels[(1 if track < n_boxes else 0) :, 4, 20 * track] = 0
    if later:
        labels[1:3, 4:14, 20:29] = 2
    messages = [one.message for one in found("SEG112", labels, tracked=True)]
    words = (
        "the first masks of 5 of 5 tracks are exact rectangles, and 0 of the 25 later ones: are they the boxes that "
    )
    assert [message for message in messages if "tracks" in message] == [f"{words}a tracker was started with?"] * n


@pytest.mark.parametrize(("gone", "n_found"), [([4], 1), ([4, 5], 1), ([3, 4, 5, 6, 7, 8], 0), ([0, 1], 0)])
def test_short_gaps_between_are_told(gone: list[int], n_found: int) -> None:
    labels = square(10, dict.fromkeys(gone))
    findings = found("SEG353", labels, tracked=True)
    assert len(findings) == n_found
    if n_found:
        assert (findings[0].image, findings[0].bbox, findings[0].pixels) == ("0004.png", (10, 10, 8, 8), 64)


def test_a_gap_that_nobody_annotated_is_none() -> None:
    labels = square(10, {4: None})
    assert found("SEG353", labels, tracked=True)
    assert not found("SEG353", labels, tracked=True, unannotated=(4,))


def test_what_shrinks_before_it_goes_or_leaves_the_frame_is_no_gap() -> None:
    labels = square(10, {4: None})
    labels[3, 13:] = 0  # 8 x 3 pixels
    assert not found("SEG353", labels, tracked=True)
    assert not found("SEG353", square(10, {3: (0, 10), 4: None}), tracked=True)


@pytest.mark.parametrize("place", [(10, 22), (25, 25)])
def test_a_mask_elsewhere_for_one_frame_jumps(place: tuple[int, int]) -> None:
    (finding,) = found("SEG354", square(7, {3: place}), tracked=True)
    assert (finding.image, finding.pixels) == ("0003.png", 64)
    assert "in this frame only" in finding.message


def test_a_mask_that_stays_elsewhere_jumps_once() -> None:
    (finding,) = found("SEG354", square(8, dict.fromkeys(range(4, 8), (25, 25))), tracked=True)
    assert finding.image == "0004.png"
    assert "from this frame on" in finding.message


@settings(max_examples=25)
@given(st.integers(-3, 3), st.integers(-3, 3))
def test_what_moves_straight_on_never_jumps(down: int, across: int) -> None:
    labels = square(5, {frame: (16 + frame * down, 16 + frame * across) for frame in range(5)}, side=9)
    assert not found("SEG354", labels, {"min_pixels": 1}, tracked=True)
    assert not found("SEG353", labels, {"min_pixels": 1}, tracked=True)


def test_an_exchange_is_no_jump() -> None:
    labels = square(6, {})
    labels[:, 25:33, 25:33] = 2
    one, other = labels[3] == 1, labels[3] == 2
    labels[3][one], labels[3][other] = 2, 1
    assert [each.image for each in found("SEG355", labels, tracked=True)] == ["0003.png", "0004.png"]
    assert not found("SEG354", labels, tracked=True)


@pytest.mark.parametrize(
    ("frames", "messages"),
    [
        ([0, 1, 2, 3, 4, 5], []),
        ([0, 1, 2, 5, 6, 7], ["2 frames missing before frame 5: 3, 4"]),
        ([0, 5, 10, 20, 25, 30], ["1 frame missing before frame 20: 15"]),
        ([0, 1, 2, 3, 3, 4], ["frame 3 occurs twice: 0003.png has this number as well"]),
        ([0, 3, 4, 9, 11, 30], []),
    ],
)
def test_numbers_that_are_left_out_or_there_twice(frames: list[int], messages: list[str]) -> None:
    labels = np.stack([np.eye(6, k=k, dtype=np.int64) for k in range(6)])
    assert [each.message for each in found("SEG356", labels, frames=frames)] == messages


def test_masks_of_the_frame_before_are_told_where_that_is_rare() -> None:
    labels = np.stack([np.eye(12, k=min(k, 8), dtype=np.int64) for k in range(-6, 10)])
    (finding,) = found("SEG356", labels)
    assert (finding.severity, finding.image) == ("warning", "0015.png")
    assert not found("SEG356", np.ones((12, 4, 4), np.int64))


def test_small_parts_and_holes_of_volumes_are_those_of_the_whole() -> None:
    labels = np.zeros((5, 20, 20), np.int64)
    labels[:, 2:14, 2:14] = 1
    labels[:, 17, 17] = labels[4, 14:18, 10] = labels[4, 17, 10:18] = 1  # a stray pixel on four slices, joined on one
    labels[1:3, 8, 8] = 0  # a hole on two slices
    labels[:, 5, 5] = 0  # a canal
    assert not found("SEG106", labels, kind="volume")
    assert len(found("SEG106", labels, kind="video")) == 4
    (hole,) = found("SEG107", labels, kind="volume")
    assert hole.message == "1 hole of 2 voxels, in a segment of 728 voxels"
    labels[4, 17, 11:17] = 0  # now the pixel is stray on five slices
    (speck,) = found("SEG106", labels, kind="volume")
    assert (speck.pixels, speck.bbox) == (5, (17, 17, 1, 1))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("street")
    write_video(folder, render_video(1, 10, (240, 180)))
    return folder


def test_a_clean_video_is_quiet(street: Path) -> None:
    assert not segdata.validate(street).findings


def test_names_make_sequences_and_numbers_make_tracks(street: Path) -> None:
    dataset = segdata.read(street)
    assert [each.name for each in dataset.profile.sequences] == ["street"]
    assert dataset.images["frame"].tolist() == list(range(10))
    tracks = dataset.segments.groupby("category")["track_id"].nunique()
    assert tracks["bus"] == 1
    assert tracks["sky"] == 0


@pytest.mark.parametrize(
    ("pattern", "message"), [("street/*.jpg", "needs {frame} once"), ("avenue/{frame}.jpg", "no image fits")]
)
def test_a_pattern_that_fits_nothing_is_refused(street: Path, pattern: str, message: str) -> None:
    with pytest.raises(SegdataError, match=message):
        segdata.read(street, format="instance-ids", config=Config(sequences=Sequences(pattern)))


def test_a_file_that_is_that_of_the_frame_before_is_told(street: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(street, folder)
    shutil.copy(folder / "images/street/000004.jpg", folder / "images/street/000005.jpg")
    (finding,) = segdata.validate(folder, select="SEG356").findings
    assert (finding.image, finding.severity) == ("street/000005.jpg", "error")
    assert "frame 5 repeats frame 4" in finding.message


@pytest.mark.parametrize("jobs", [2, 3])
def test_findings_do_not_depend_on_jobs(street: Path, jobs: int) -> None:
    options = {"SEG354": {"max_fit": 1.0, "min_pixels": 1}, "SEG357": {"min_pixels": 1, "min_share": 0.0}}
    config = segdata.read(street).config
    eager = msgspec.structs.replace(config, rules=options)
    results = [segdata.validate(street, select=VIDEO, config=eager, jobs=each).findings for each in (1, jobs)]
    assert results[0] == results[1]
    assert results[0]


def test_real_videos(real_data: Path) -> None:
    """In the results of OSVOS half of a dog has the id of another, and one mask shrinks to a third, for one frame."""
    assert not segdata.validate(real_data / "davis_interactive", select=VIDEO).findings
    taken, jump = segdata.validate(real_data / "davis2017_results" / "osvos", select=VIDEO).findings
    assert (taken.code, taken.image) == ("SEG354", "dogs-jump/00007.png")
    assert taken.message.startswith(
        "track 2 has lost a part of its pixels to track 1 in this frame only; its areas are "
    )
    assert (jump.code, jump.image) == ("SEG354", "dogs-jump/00014.png")
    street = Config(sequences=Sequences("0016E5_{frame}.png"))
    flickers = segdata.validate(real_data / "camseq32", select=VIDEO, config=street).findings
    assert [(each.code, each.image, each.pixels) for each in flickers] == [
        ("SEG357", "0016E5_07983.png", 1788),
        ("SEG357", "0016E5_08047.png", 4295),
    ]


def test_real_volumes(real_data: Path) -> None:
    """One synapse, dark in the image, is not drawn on a section between two that have it."""
    tissue = real_data / "vnc_sstem"
    layers = Config(layers=Layers("{category}/{stem}.png"), sequences=Sequences("{frame}.tif", "volume"))
    (gap,) = segdata.validate(tissue, images=tissue / "raw", config=layers, select="SEG358").findings
    assert (gap.image, gap.category, gap.pixels, gap.bbox) == ("05.tif", "synapses", 223, (261, 546, 21, 25))
    assert not segdata.validate(real_data / "nifti_three_readers", select="SEG358").findings
    assert len(segdata.validate(real_data / "nifti_three_readers", select="SEG106").findings) == 3


@settings(max_examples=25)
@given(videos(), st.sampled_from(["video", "volume"]), st.data())
def test_any_sequence_can_be_judged_however_it_is_cut(
    made: tuple[Profile, list[Batch]], kind: SequenceKind, data: st.DataObject
) -> None:
    """Frames may be left out, not annotated, empty, and of several sizes in several sequences."""
    profile, (batch,) = made
    profile = replace(profile, sequences=tuple(replace(each, kind=kind) for each in profile.sequences))
    rules = [find_rule(code) for code in (*VIDEO, "SEG358", "SEG106", "SEG107")]
    eager = Config(
        rules={
            "SEG106": {"max_share": 1.0},
            "SEG107": {"max_share": 1.0},
            "SEG353": {"min_pixels": 1},
            "SEG354": {"min_pixels": 1, "max_fit": 1.0, "min_agree": 0.0},
            "SEG355": {"min_gain": 0.0},
            "SEG357": {"min_pixels": 1, "min_share": 0.0},
            "SEG358": {"min_pixels": 1, "min_share": 0.0},
        }
    )
    families = frozenset(family for rule in rules for family in rule.needs)
    rows = np.arange(batch.images.num_rows)
    cuts = data.draw(st.sets(st.sampled_from(rows.tolist())))
    portions = [piece for piece in np.split(rows, sorted(cuts)) if len(piece)]
    told = [
        run_rules(measure_source(SequenceDataset(profile, batch, each), families, jobs=1), rules, eager).findings
        for each in (None, portions)
    ]
    assert told[0] == told[1]
