"""Labels that are copied, renamed, cut off, hollow or flooded: what files alone tell."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import segdata
from segdata.core.batch import Batch
from segdata.core.config import Config, InstanceIds, Sequences
from segdata.core.finding import Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.rules.pasted_outline import _third_most
from tests.generators.sequences import SequenceDataset, sequence_dataset

SIDE = 120


def coco(root: Path, images: Sequence[Sequence[list[list[float]]]], sizes: Sequence[tuple[int, int]] = ()) -> Path:
    """COCO with the rings of the objects of each image; pictures are noise."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    records, annotations = [], []
    for number, objects in enumerate(images):
        width, height = sizes[number] if sizes else (SIDE, SIDE)
        Image.fromarray(rng.integers(0, 255, (height, width, 3)).astype(np.uint8)).save(root / f"images/{number}.png")
        records.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        for rings in objects:
            annotations.append({"id": len(annotations) + 1, "image_id": number, "segmentation": rings,
                                "category_id": 1, "iscrowd": 0})  # fmt: skip
    content = {"images": records, "annotations": annotations, "categories": [{"id": 1, "name": "stone"}]}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def stones(rng: np.random.Generator, n: int) -> list[list[list[float]]]:
    """Outlines of n objects."""
    result = []
    for _ in range(n):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        ring = rng.uniform(25, SIDE - 25, 2) + rng.uniform(8, 20, (9, 1)) * np.stack(
            [np.cos(angles), np.sin(angles)], 1
        )
        result.append([ring.reshape(-1).tolist()])
    return result


def found(root: Path, code: str, **more: Any) -> list[Finding]:
    return list(segdata.validate(root, select=code, **more).findings)


def test_the_labels_of_another_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = [stones(rng, 5) for _ in range(12)]
    assert found(coco(tmp_path / "a", images), "SEG315") == []
    images[9] = images[3]
    (finding,) = found(coco(tmp_path / "b", images), "SEG315")
    assert (finding.image, finding.message.split(",")[0]) == ("9.png", "these labels are a copy of those of 3.png")
    assert finding.severity == "warning"
    # Also on an image of another size, if they fit there.
    sizes = [(SIDE, SIDE)] * 9 + [(SIDE, SIDE + 30)] + [(SIDE, SIDE)] * 2
    assert len(found(coco(tmp_path / "c", images, sizes), "SEG315")) == 1


def test_markers_of_things_that_stand_still_are_no_proof_of_a_copy(tmp_path: Path) -> None:
    """Discs are drawn by a tool, and are alike wherever they are put in the same place."""
    angle = np.arange(24) * np.pi / 12
    disc = 14 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rng = np.random.default_rng(8)
    images = [[[(disc + rng.uniform(20, 100, 2)).round().reshape(-1).tolist()] for _ in range(5)] for _ in range(12)]
    images[9] = images[3]
    images[10] = [*images[10], *images[5][:4]]
    findings = segdata.validate(coco(tmp_path, images), select="SEG315").single
    assert [(one.image, one.severity) for one in findings] == [("10.png", "info"), ("9.png", "info")]


def turned(xy: np.ndarray, turn: int) -> np.ndarray:
    """Points (n, 2) of an image of SIDE x SIDE, turned by the number of the turn."""
    xy = xy[:, ::-1] if turn & 4 else xy
    return np.stack([SIDE - x if flip else x for x, flip in zip(xy.T, (turn & 1, turn & 2), strict=True)], axis=1)


@pytest.mark.parametrize("as_masks", [False, True])
@pytest.mark.parametrize("turn", range(1, 8))
def test_the_labels_of_another_image_turned(tmp_path: Path, turn: int, as_masks: bool) -> None:
    rng = np.random.default_rng(turn)
    own = [stones(rng, 6) for _ in range(12)]
    again = [[turned(np.array(ring).reshape(-1, 2), turn).reshape(-1).tolist() for ring in rings] for rings in own[3]]
    if as_masks:
        (tmp_path / "masks").mkdir()
        drawings = []
        for objects in own:
            picture = Image.new("I;16", (SIDE, SIDE))
            for number, (ring,) in enumerate(objects, 1):
                ImageDraw.Draw(picture).polygon(ring, fill=number)
            drawings.append(np.array(picture))
        values = drawings[3].T if turn & 4 else drawings[3]
        values = values[:, ::-1] if turn & 1 else values
        drawings[9] = values[::-1] if turn & 2 else values
        for k, drawing in enumerate(drawings):
            Image.fromarray(np.ascontiguousarray(drawing)).save(tmp_path / f"masks/{k:02d}.png")
        findings = found(tmp_path, "SEG315", config=Config(instance_ids=InstanceIds(category="cell")))
    else:
        findings = found(coco(tmp_path / "all", [*own[:9], again, *own[10:]]), "SEG315")
        few = [*own[:9], again[:3] + own[9][:3], *own[10:]]
        assert found(coco(tmp_path / "few", few), "SEG315") == []
    (finding,) = findings
    assert finding.image == ("09.png" if as_masks else "9.png")
    words = {1: "mirrored left to right", 2: "mirrored upside down", 3: "turned by 180 degrees"}
    words |= {4: "with x and y exchanged", 5: "turned by 90 degrees clockwise"}
    words |= {6: "turned by 90 degrees counterclockwise", 7: "turned by 90 degrees and mirrored"}
    of = "03.png" if as_masks else "3.png"
    assert finding.message.endswith(f" segments are those of {of}, {words[turn]}")


def test_a_small_share_of_segments_in_common_is_no_copy(tmp_path: Path) -> None:
    """Among hundreds of small things, a few are alike by chance."""
    rng = np.random.default_rng(2)
    images = [stones(rng, 30) for _ in range(6)]
    own = images[4]
    images[4] = own[5:] + images[1][:5]
    assert found(coco(tmp_path / "few", images), "SEG315") == []
    images[4] = own[8:] + images[1][:8]
    (finding,) = found(coco(tmp_path / "more", images), "SEG315")
    assert finding.message.startswith("8 of 30 segments")


def test_augmented_datasets_may_have_turned_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    own = [stones(rng, 6) for _ in range(8)]
    mirrored = [[[turned(np.array(rings[0]).reshape(-1, 2), 1).reshape(-1).tolist()] for rings in one] for one in own]
    assert found(coco(tmp_path / "augmented", own + mirrored), "SEG315") == []
    assert len(found(coco(tmp_path / "one", [*own, mirrored[0]]), "SEG315")) == 1


def test_objects_of_another_image_among_its_own(tmp_path: Path) -> None:
    """A tool that kept the last image's objects, or a script that appended them."""
    rng = np.random.default_rng(7)
    own = [stones(rng, 6) for _ in range(12)]
    piled = [own[0], *(before + here for before, here in pairwise(own))]
    for labels in (piled, [*own[:9], own[9] + own[4][:5], *own[10:]]):
        findings = segdata.validate(coco(tmp_path / str(len(labels[9])), labels), select="SEG315").single
        assert {one.image for one in findings} >= {"9.png"}
        assert len(findings) == (11 if labels is piled else 1)
        assert any("segments are copies of those of" in one.message for one in findings)
    stencil = stones(rng, 5)
    assert found(coco(tmp_path / "stencil", [stencil + objects for objects in own]), "SEG315") == []


def test_objects_of_another_image_under_other_categories(tmp_path: Path) -> None:
    """A picture saved again, whose objects another label map names."""
    rng = np.random.default_rng(7)
    images = [stones(rng, 6) for _ in range(12)]
    images[9] = images[3]
    path = coco(tmp_path, images) / "instances.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 2, "name": "shell"})
    copied = [one for one in content["annotations"] if one["image_id"] == 9]
    for one in copied[1:]:
        one["category_id"] = 2
    path.write_text(json.dumps(content))
    (finding,) = found(tmp_path, "SEG315")
    assert finding.image == "9.png"
    assert finding.message == "6 of 6 segments are copies of those of 3.png, 5 of them under another category"


def test_an_object_as_first_saved_beside_itself_as_updated(tmp_path: Path) -> None:
    """A tenth smaller, as an export has it that keeps both."""
    images = [stones(np.random.default_rng(seed), 1) for seed in range(6)]
    ring = np.array(images[2][0]).reshape(-1, 2)
    images[2].append([((ring - ring.mean(0)) * 0.9 + ring.mean(0)).reshape(-1).tolist()])
    (finding,) = found(coco(tmp_path, images), "SEG104")
    assert finding.image == "2.png"


@pytest.mark.parametrize(("hidden", "n"), [(4, 0), (3, 6), (0, 6)])
def test_categories_that_cover_each_other_by_design(tmp_path: Path, hidden: int, n: int) -> None:
    """The whole of five things, and what is seen of them: of some all, which is all the same only where it is rare."""
    rng = np.random.default_rng(5)
    path = coco(tmp_path, [stones(rng, 10) for _ in range(6)]) / "instances.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 2, "name": "visible"})
    for k, one in enumerate(content["annotations"]):
        left, top = 8 + 22 * (k % 10 // 2), 20
        right = left + (15 if k % 2 and k % 10 // 2 < hidden else 20)
        one |= {"category_id": 1 + k % 2, "segmentation": [[left, top, right, top, right, 60, left, 60]]}
    path.write_text(json.dumps(content))
    assert len({one.image for one in segdata.validate(tmp_path, select="SEG104").single}) == n


@pytest.mark.parametrize("bits", [5, 6, 8])
@pytest.mark.parametrize("how", ["modulo", "clipped"])
def test_ids_that_were_cut_to_a_few_bits(tmp_path: Path, bits: int, how: str) -> None:
    rng, most = np.random.default_rng(bits), 2**bits - 1
    for whole in (True, False):
        root = tmp_path / str(whole)
        (root / "masks").mkdir(parents=True)
        for number in range(10):
            n = most + int(rng.integers(3, 3 * most))
            side = int(np.ceil(np.sqrt(n)))
            ids = np.arange(1, side * side + 1).reshape(side, side)
            ids[ids > n] = 0
            ids = ids if whole else ids % (most + 1) if how == "modulo" else np.minimum(ids, most)
            Image.fromarray(np.kron(ids, np.pad(np.ones((2, 2)), 1)).astype(np.uint16)).save(
                root / f"masks/{number}.png"
            )
        config = Config(instance_ids=InstanceIds(category="cell"))
        findings = [one for one in found(root, "SEG316", config=config) if "bits" in one.message]
        assert len(findings) == (0 if whole else 1)
        if not whole:
            assert f"ids up to {most:,}, and none a higher one" in findings[0].message


def test_a_frame_of_another_size() -> None:
    dataset = sequence_dataset(np.ones((8, 10, 10), np.int64))
    assert run(dataset, "SEG356") == []
    column = dataset.batch.images.column_names.index("width")
    sizes = dataset.batch.images.set_column(column, "width", [[10] * 5 + [5] + [10] * 2])
    images = sizes.cast(dataset.batch.images.schema)
    batch = Batch(images, dataset.batch.annotations, dataset.batch.segments, dataset.batch.runs)
    (finding,) = run(SequenceDataset(dataset.profile, batch), "SEG356")
    assert (finding.image, finding.severity) == ("0005.png", "warning")
    assert finding.message == "the frame is 5 x 10, 7 of 8 are 10 x 10"


@pytest.mark.parametrize(("other", "n"), [("a_jpg", 0), ("b_jpg", 1)])
def test_altered_copies_of_one_picture_share_labels(tmp_path: Path, other: str, n: int) -> None:
    """Roboflow adds noise to copies, whose names begin alike."""
    rng = np.random.default_rng(3)
    images = [stones(rng, 5) for _ in range(12)]
    images[9] = images[3]
    root = coco(tmp_path / "a", images)
    (document,) = root.glob("*.json")
    text = document.read_text(encoding="utf-8")
    for number, picture in ((3, "a_jpg"), (9, other)):
        name = f"{picture}.rf.{number:032x}.png"
        (root / f"images/{number}.png").rename(root / "images" / name)
        text = text.replace(f'"{number}.png"', f'"{name}"')
    document.write_text(text, encoding="utf-8")
    assert len(found(root, "SEG315")) == n


def test_copies_of_images_and_stencils_may_share_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    images = [stones(rng, 5) for _ in range(12)]
    images[9] = images[3]
    root = coco(tmp_path / "a", images)
    (root / "images/9.png").write_bytes((root / "images/3.png").read_bytes())
    assert found(root, "SEG315") == []
    root = coco(tmp_path / "again", images)
    picture = Image.open(root / "images/3.png").resize((40, 40)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    for number, quality in ((3, 95), (9, 60)):
        picture.save(tmp_path / "a.jpg", quality=quality)
        Image.open(tmp_path / "a.jpg").save(root / f"images/{number}.png")
    assert found(root, "SEG315") == [], "saved again"
    (finding,) = found(coco(tmp_path / "b", [images[0]] * 12), "SEG315")
    assert finding.message.startswith("12 of 12 labelled images have the same 5 segments, those of 0.png")
    assert finding.severity == "info", "a stencil may be meant"
    box = [[[10, 10, 110, 10, 110, 110, 10, 110]]]
    assert found(coco(tmp_path / "c", [stones(rng, 5) for _ in range(10)] + [box, box]), "SEG315") == []


def video(labels: np.ndarray[Any, Any]) -> SequenceDataset:
    return sequence_dataset(labels, tracked=True, task="instance", tracks=range(1, int(labels.max()) + 1))


def run(dataset: SequenceDataset, code: str) -> list[Finding]:
    rule = find_rule(code)
    return list(run_rules(measure_source(dataset, rule.needs, jobs=1), [rule], Config()).findings)


def walk(n: int = 10) -> np.ndarray[Any, Any]:
    """Two squares that move a pixel a frame."""
    labels = np.zeros((n, 60, 60), np.int64)
    for frame in range(n):
        labels[frame, 5:20, 5 + frame : 20 + frame] = 1
        labels[frame, 35:50, 30 - frame : 45 - frame] = 2
    return labels


def recategorised(labels: np.ndarray[Any, Any]) -> SequenceDataset:
    """All of one category: labels are tracks alone."""
    dataset = video(labels)
    index = dataset.batch.segments.column_names.index("category_id")
    ones = np.ones(dataset.batch.segments.num_rows, np.int64)
    from dataclasses import replace

    import pyarrow as pa

    segments = dataset.batch.segments.set_column(index, "category_id", pa.array(ones))
    return replace(dataset, batch=replace(dataset.batch, segments=segments))


def test_tracks_that_get_new_ids(tmp_path: Path) -> None:
    labels = walk()
    assert run(recategorised(labels), "SEG361") == []
    one = labels.copy()
    one[5:][one[5:] == 2] = 4
    (finding,) = run(recategorised(one), "SEG361")
    assert finding.message == "1 of 2 tracks has a new id from this frame on: 2 is 4"
    both = labels.copy()
    both[5:][both[5:] > 0] += 2
    (finding,) = run(recategorised(both), "SEG361")
    assert finding.message == "2 of 2 tracks have new ids from this frame on: 1 is 3, 2 is 4"
    left = labels.copy()
    left[5:][left[5:] == 2] = 0  # it leaves
    left[7:, 35:50, 5:20] = 4  # another comes later
    assert run(recategorised(left), "SEG361") == []


def test_ids_that_move_up_after_one_has_left() -> None:
    labels = np.zeros((10, 60, 100), np.int64)
    for frame in range(10):
        for label, (top, left) in enumerate(((5, 5), (40, 10), (5, 60), (40, 65)), start=1):
            labels[frame, top : top + 14, left + frame : left + frame + 14] = label
    assert run(recategorised(labels), "SEG361") == []
    moved = labels.copy()
    moved[6:] = np.maximum(moved[6:] - 1, 0)
    (finding,) = run(recategorised(moved), "SEG361")
    assert finding.message == "3 tracks have the id of another from this frame on: 2 is 1, 3 is 2, 4 is 3"
    exchanged = labels.copy()  # which is track-swap
    exchanged[6:] = np.array([0, 2, 1, 3, 4])[exchanged[6:]]
    assert run(recategorised(exchanged), "SEG361") == []


def test_two_ids_that_take_turns() -> None:
    labels = walk()
    labels[1::2][labels[1::2] == 2] = 4
    (finding,) = run(recategorised(labels), "SEG361")
    assert finding.message == "tracks 2 and 4 take turns 9 times: one is there whenever the other is not"
    labels[0, 52:58, 50:58] = 4  # both in one frame are two things
    labels[0, :3, :20] = 4
    assert not [one for one in run(recategorised(labels), "SEG361") if "take turns" in one.message]


def test_a_track_that_comes_back_in_the_place_of_another() -> None:
    labels = np.zeros((14, 60, 100), np.int64)
    for frame in range(14):
        labels[frame, 5:19, 5 + frame : 19 + frame] = 1
        labels[frame, 40:54, 60 + frame : 74 + frame] = 2
    mixed = labels.copy()
    mixed[4:][mixed[4:] == 1] = 0
    mixed[10:][mixed[10:] == 2] = 1
    (finding,) = run(recategorised(mixed), "SEG361")
    assert finding.message == "track 1 is away for 6 frames and comes back in the place of track 2, which ends"
    hidden = labels.copy()  # behind something, and back
    hidden[4:10][hidden[4:10] == 1] = 0
    hidden[10:][hidden[10:] == 2] = 0
    assert run(recategorised(hidden), "SEG361") == []


@pytest.mark.parametrize(("n_kept", "both", "is_told"), [(6, False, True), (4, False, False), (6, True, False)])
def test_a_track_whose_last_mask_is_kept_to_the_end(n_kept: int, both: bool, is_told: bool) -> None:
    """Where all stand still, the scene does."""
    labels = np.zeros((14, 60, 100), np.int64)
    for frame in range(14):
        last = min(frame, 13 - n_kept)
        labels[frame, 5:19, 5 + last : 19 + last] = 1
        labels[frame, 40:54, 60 + (last if both else frame) :][:, :14] = 2
    kept = [one.message for one in run(recategorised(labels), "SEG363") if "keeps its mask" in one.message]
    assert [message.partition(",")[0] for message in kept] == [
        "track 1 keeps its mask from frame 7 to the end"
    ] * is_told


@pytest.mark.parametrize(("held", "jumps", "is_told"), [(4, True, True), (3, True, False), (4, False, False)])
def test_a_track_whose_mask_is_held_until_it_jumps(held: int, jumps: bool, is_told: bool) -> None:
    """What stands still and goes on as slowly as before may have stopped."""
    labels = np.zeros((14, 60, 120), np.int64)
    for frame in range(14):
        place = frame if frame <= 4 else max(4, frame if jumps and frame > 4 + held else frame - held)
        labels[frame, 5:19, 5 + 3 * place : 19 + 3 * place] = 1
        labels[frame, 40:54, 60 + 3 * frame :][:, :14] = 2
    kept = [one.message for one in run(recategorised(labels), "SEG363") if "keeps its mask" in one.message]
    assert [message.partition(";")[0] for message in kept] == [
        "track 1 keeps its mask from frame 4 to 8, pixel by pixel, and jumps then"
    ] * is_told


def test_a_track_that_takes_over_another() -> None:
    labels = walk()
    labels[6:][labels[6:] == 2] = 1
    (finding,) = run(recategorised(labels), "SEG361")
    assert finding.message == "track 1 has also what was track 2 from this frame on: 450 px, before 225 and 225"
    passed = walk()  # what passes behind another and is gone makes it no larger
    passed[6:][passed[6:] == 2] = 0
    assert run(recategorised(passed), "SEG361") == []
    two = walk()  # the two are of different categories
    two[6:][two[6:] == 2] = 1
    assert not [one for one in run(video(two), "SEG361") if "has also" in one.message]


@pytest.mark.parametrize("n_inverted", [1, 3])
def test_masks_with_foreground_and_background_exchanged(tmp_path: Path, n_inverted: int) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "masks").mkdir()
    for k in range(12):
        mask = np.zeros((60, 80), bool)
        y, x = rng.integers(12, 40, 2)
        mask[y : y + 14, x : x + 16] = True
        values = (mask ^ (k < n_inverted)).astype(np.uint8) * 255
        Image.fromarray(values).save(tmp_path / f"masks/{k:02d}.png")
    findings = found(tmp_path, "SEG132")
    assert [one.image for one in findings] == [f"{k:02d}.png" for k in range(n_inverted)]
    assert "95% of the image is foreground, 5% to 5% in" in findings[0].message


def test_things_of_all_sizes_are_no_inverted_masks(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for k in range(12):
        values = np.zeros((60, 80), np.uint8)
        values[: 5 * k + 5] = 255  # a lesion that fills the picture of a close look
        Image.fromarray(values).save(tmp_path / f"masks/{k:02d}.png")
    assert found(tmp_path, "SEG132") == []


def test_a_background_with_an_id(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder, first in (("numbered", 1), ("plain", 0)):
        (tmp_path / folder / "masks").mkdir(parents=True)
        for k in range(8):
            ids = np.full((60, 80), first, np.uint16)
            for n in range(1, 5):
                y, x = rng.integers(2, 48, 2)
                ids[y : y + 8, x : x + 8] = first + n
            Image.fromarray(ids).save(tmp_path / folder / f"masks/{k}.png")
    config = Config(instance_ids=InstanceIds(category="cell"))
    (finding,) = found(tmp_path / "numbered", "SEG132", config=config)
    assert finding.message.startswith("segment 1 is what all other segments leave, in 8 of 8 images (0.png, 1.png")
    assert found(tmp_path / "plain", "SEG132", config=config) == []
    repaired = Config(instance_ids=InstanceIds(category="cell", background=1))
    assert found(tmp_path / "numbered", "SEG132", config=repaired) == []


def test_counts_that_are_cut_off(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts = np.maximum(rng.poisson(9, 40), 1).tolist()
    assert found(coco(tmp_path / "a", [stones(rng, n) for n in counts]), "SEG316") == []
    (finding,) = found(coco(tmp_path / "b", [stones(rng, min(n, 7)) for n in counts]), "SEG316")
    assert "have 7 objects, and none has more" in finding.message
    assert found(coco(tmp_path / "c", [stones(rng, 6) for _ in range(40)]), "SEG316") == []


@pytest.mark.parametrize("rims", [1, 6])
def test_a_rim_that_is_not_filled(tmp_path: Path, rims: int) -> None:
    """One among forty is a slip; of a category of rings, none is."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    rng = np.random.default_rng(4)
    for number in range(5):
        mask = np.zeros((200, 200), np.uint16)
        for k in range(8):
            y, x = 10 + 50 * (k // 4), 5 + 48 * (k % 4)
            mask[y : y + 40, x : x + 40] = k + 1
            if number == 2 and k < rims:
                mask[y + 3 : y + 37, x + 3 : x + 37] = 0
        Image.fromarray(mask).save(tmp_path / f"masks/{number}.png")
        Image.fromarray(rng.integers(0, 255, (200, 200)).astype(np.uint8)).save(tmp_path / f"images/{number}.png")
    findings = found(tmp_path, "SEG131")
    assert [finding.image for finding in findings] == (["2.png"] if rims == 1 else [])


def test_one_mask_that_one_category_fills(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        mask = np.kron(rng.integers(1, 6, (4, 4)), np.ones((10, 10), np.int64)).astype(np.uint8)
        Image.fromarray(np.full_like(mask, 2) if number == 7 else mask).save(tmp_path / f"masks/{number}.png")
    (finding,) = found(tmp_path, "SEG129")
    assert (finding.image, finding.severity) == ("7.png", "info")  # a forest, or a jaw without teeth
    for number in range(12):  # tiles of few categories
        mask = np.full((40, 40), 1 + number % 2, np.uint8)
        mask[: 20 * (number % 3 == 0)] = 3
        Image.fromarray(mask).save(tmp_path / f"masks/{number}.png")
    assert found(tmp_path, "SEG129") == []


@pytest.mark.parametrize("scale", [0.5, 0.1])
def test_coordinates_of_smaller_images(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(1)
    objects = [stones(rng, 4) for _ in range(8)]
    assert found(coco(tmp_path / "sound", objects), "SEG317") == []
    reduced = [[[(scale * np.array(ring)).tolist() for ring in rings] for rings in image] for image in objects]
    (finding,) = found(coco(tmp_path / "reduced", reduced), "SEG317")
    assert finding.message.startswith("all 32 segments end within ")
    assert found(coco(tmp_path / "few", reduced[:4]), "SEG317") == []


def test_coordinates_of_smaller_images_in_some_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    objects = [stones(rng, 4) for _ in range(32)]
    reduced = [
        [[(0.5 * np.array(ring)).tolist() for ring in rings] for rings in image] if n % 3 else image
        for n, image in enumerate(objects)
    ]
    (finding,) = found(coco(tmp_path / "reduced", reduced), "SEG317")
    assert finding.message.startswith("all labels of 21 of 32 images (")
    assert "upper left quarter, those of 0 in another one" in finding.message
    corner = np.array([50.0, 0])  # as many on the right: a place where things are
    several = [
        [[(ring + np.tile(corner, len(ring) // 2)).tolist() for ring in rings] for rings in image]
        for image in reduced[1:25:3]
    ]
    assert found(coco(tmp_path / "both", reduced + several), "SEG317") == []


def test_labels_that_end_at_one_share_of_both_sides(tmp_path: Path) -> None:
    """Told without pictures: in the other images something reaches every side, here it ends at 0.8."""
    shares = [[0, 0, 0.1, 0, 0.1, 0.1], [1, 1, 0.9, 1, 0.9, 0.9], [0.4, 0.4, 0.6, 0.4, 0.6, 0.6]]
    whole = [[[SIDE * share for share in ring]] for ring in shares]
    reduced = [[(0.8 * np.array(ring)).tolist() for ring in rings] for rings in whole]
    mixed = [reduced if n % 3 == 0 else whole for n in range(18)]
    (finding,) = found(coco(tmp_path / "reduced", mixed), "SEG317")
    assert finding.message.startswith("the labels of 6 of 18 images (")
    assert "end at 80% of both sides, those of 12 at all of it" in finding.message
    assert found(coco(tmp_path / "few", mixed[:12]), "SEG317") == []
    short = [[(0.97 * np.array(ring)).tolist() for ring in rings] for rings in whole]
    assert found(coco(tmp_path / "short", [short if n % 3 == 0 else whole for n in range(18)]), "SEG317") == []
    tall = [[(np.tile([0.8, 0.7], 3) * np.array(ring)).tolist() for ring in rings] for rings in whole]
    other = [tall if n % 3 == 0 else whole for n in range(18)]
    assert found(coco(tmp_path / "tall", other), "SEG317") == []


@pytest.mark.parametrize(
    ("words", "factor"),
    [
        ("as thousandths of the width and height", lambda side: 1000 / side),
        ("as pixels, and not in percent", lambda side: side / 100),
        ("a hundred times smaller", lambda side: 100),
        ("as shares of 1, and not in percent", lambda side: 0.01),
        ("as shares of the width and height", lambda side: 1 / side),
    ],
)
def test_coordinates_in_other_units(tmp_path: Path, words: str, factor: Callable[[float], float]) -> None:
    """In five of nine images, of three sizes."""
    rng = np.random.default_rng(3)
    sizes = [(320, 260), (400, 320), (480, 360)] * 3
    images = []
    for number, (width, height) in enumerate(sizes):
        scale = np.array([width, height]) / SIDE
        rings = [np.array(rings[0]).reshape(-1, 2) * scale for rings in stones(rng, 6)]
        rings[0] += np.array([width, height]) - rings[0].max(0)  # one reaches the corner
        change = np.array([factor(width), factor(height)]) if number % 2 == 0 else 1.0
        images.append([[(ring * change).reshape(-1).tolist()] for ring in rings])
    sound = [image for number, image in enumerate(images) if number % 2]
    assert found(coco(tmp_path / "sound", sound, sizes[1::2]), "SEG317") == []
    (finding,) = found(coco(tmp_path / "other", images, sizes), "SEG317")
    assert finding.message == (
        f"the 30 outlines of 5 images (0.png, 2.png, 4.png, …) lie in their images if coordinates are read {words}"
    )


def test_coordinates_of_a_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    images = [stones(rng, 6) for _ in range(3)]
    placed = [[[(np.array(rings[0]) / 2 + 615_000).tolist()] for rings in image] for image in images]
    (finding,) = found(coco(tmp_path / "map", placed), "SEG317")
    assert finding.message.startswith("none of 18 outlines lies in its image: they reach from x = 615,0")
    assert found(coco(tmp_path / "some", [*placed, images[0]]), "SEG317") == []


def test_masks_that_lost_their_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    objects = [stones(rng, 4) for _ in range(4)]
    for image in objects:
        for rings in image[:3]:
            ring = np.array(rings[0]).reshape(-1, 2)
            rings[0] = (ring - ring.min(0)).reshape(-1).tolist()
    (finding,) = found(coco(tmp_path / "lost", objects), "SEG317")
    assert finding.message.startswith("12 of 16 objects begin at x = 0, y = 0, in 4 images")


def test_overlap_where_most_images_have_none(tmp_path: Path) -> None:
    def square(x: float, y: float, side: float = 30) -> list[list[float]]:
        return [[x, y, x + side, y, x + side, y + side, x, y + side]]

    images = [[square(5 + k % 3, 10), square(70, 60 + k % 4), square(40, 5 + k % 2, 12)] for k in range(40)]
    for k in (4, 8, 20):  # careless by a pixel or two
        images[k].append(square(34 + k % 3, 20))
    assert found(coco(tmp_path / "careful", images), "SEG313") == []
    images[7] = [square(5, 10), square(8, 12), square(70, 60)]
    (finding,) = found(coco(tmp_path / "one", images), "SEG313")
    assert (finding.image, finding.message.partition(",")[0]) == ("7.png", "pixels that several segments claim: 756")


@pytest.mark.parametrize(("n_images", "reported"), [(2, 2), (6, 0)])
def test_an_outline_that_was_pasted(tmp_path: Path, n_images: int, reported: int) -> None:
    rng = np.random.default_rng(4)
    images = [stones(rng, 5) for _ in range(8)]
    angle = np.arange(10) * np.pi / 5
    for number in range(n_images):
        star = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        ring = np.where(np.arange(10) % 2, 19.0 - number, 9.0)[:, None] * star
        low = ring.min(0)
        images[number] = [[(ring - low + place).reshape(-1).tolist()] for place in ((3, 3), (50, 9), (9, 55), (70, 70))]
    findings = found(coco(tmp_path / "pasted", images), "SEG133")
    assert [finding.image for finding in findings] == [f"{number}.png" for number in range(reported)]
    assert all(finding.message.startswith("4 segments have one outline") for finding in findings)
    assert all(finding.severity == "warning" for finding in findings), "it goes in and out"


@pytest.mark.parametrize(("radii", "reported"), [((12, 12, 12, 12), 1), ((12, 12, 12, 12, 16), 0)])
def test_discs_of_a_circle_tool_are_not_pasted(tmp_path: Path, radii: tuple[int, ...], reported: int) -> None:
    """Round things of one size have one outline if the tool draws circles; a single size may be one disc, pasted."""
    angle = np.arange(30) * np.pi / 15
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    places = np.array([(20, 20), (60, 20), (20, 60), (60, 60), (95, 95)])
    rings = [[(place + radius * circle).reshape(-1).tolist()] for radius, place in zip(radii, places, strict=False)]
    rng = np.random.default_rng(5)
    images = [rings, *(stones(rng, 5) for _ in range(5))]
    assert [one.severity for one in found(coco(tmp_path / "discs", images), "SEG133")] == ["info"] * reported


def _default_discs(images: list[list[list[list[float]]]], n_images: int, per_image: int) -> None:
    """Replace the first objects of every fourth image by one disc, at other places."""
    angle = np.arange(12) * np.pi / 6
    for number in range(n_images):
        for k in range(per_image):
            place = np.array([20 + 3 * number % 60, 25 + 9 * k])
            disc = place + 12 * np.stack([np.cos(angle), np.sin(angle)], axis=1).round(2)
            images[number][k] = [disc.reshape(-1).tolist()]


@pytest.mark.parametrize(("n_images", "per_image", "reported"), [(8, 1, 1), (6, 1, 0), (20, 3, 0)])
def test_a_default_outline_in_many_images(tmp_path: Path, n_images: int, per_image: int, reported: int) -> None:
    """Discs on most objects are how these are labelled."""
    rng = np.random.default_rng(4)
    images = [stones(rng, 5) for _ in range(20)]
    _default_discs(images, n_images, per_image)
    findings = found(coco(tmp_path / "default", images), "SEG133")
    assert len(findings) == reported
    for finding in findings:
        assert finding.message.startswith("8 segments in 8 images (0.png, 1.png, 2.png and 5 more) have one outline")
        assert finding.severity == "info", "a tool draws discs"


def test_outlines_of_augmented_copies_are_no_default(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    images = [stones(rng, 5) for _ in range(4)] * 10
    assert found(coco(tmp_path / "copies", images), "SEG133") == []


@pytest.mark.parametrize(("blank", "reported"), [(slice(6, 9), "last 3"), (slice(0, 4), "first 4"), (slice(3, 6), "")])
def test_a_video_whose_labels_stop(tmp_path: Path, blank: slice, reported: str) -> None:
    frames = np.zeros((9, 30, 40), np.uint8)
    frames[:, 5:15, 5:20] = 1
    frames[blank] = 0
    (tmp_path / "film").mkdir()
    for number, values in enumerate(frames):
        image = Image.fromarray(values, mode="P")
        image.putpalette([0, 0, 0, 128, 0, 0])
        image.save(tmp_path / f"film/{number:05}.png")
    config = Config(sequences=Sequences("film/{frame}.png"))
    messages = [finding.message for finding in found(tmp_path, "SEG312", config=config)]
    named = [message for message in messages if message.startswith("the ")]
    assert [message[4 : 4 + len(reported)] for message in named] == [reported] * bool(reported)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), max_size=9))
def test_an_outline_is_compared_with_those_at_least_half_as_long(shapes: list[tuple[int, int]]) -> None:
    images, edges = (np.array([shape[side] for shape in shapes], np.int64) for side in (0, 1))
    longer = [sorted((n for n, edge in shapes if 2 * edge >= own), reverse=True) for _, own in shapes]
    assert _third_most(images, edges).tolist() == [(*numbers, 0, 0)[2] for numbers in longer]


def test_ids_that_were_stretched_to_sixteen_bits(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for number in range(8):
        ids = np.arange(1, 10 + number) * (65535 / (9 + number) if number % 2 else 1)
        Image.fromarray(np.kron(np.round(ids)[None], np.pad(np.ones((2, 2)), 1)).astype(np.uint16)).save(
            tmp_path / f"masks/{number}.png"
        )
    (finding,) = found(tmp_path, "SEG316", config=Config(instance_ids=InstanceIds(category="cell")))
    assert finding.message.endswith("ids that were stretched over 16 bits, as a viewer shows them?")


@pytest.mark.parametrize(("cut", "is_told"), [(np.floor, True), (np.round, False), (np.asarray, False)])
def test_points_that_were_cut_to_whole_numbers(tmp_path: Path, cut: Callable[[Any], Any], is_told: bool) -> None:
    rng = np.random.default_rng(2)
    path = coco(tmp_path, [stones(rng, 4) for _ in range(5)]) / "instances.json"
    content = json.loads(path.read_text())
    for one in content["annotations"]:
        ring = np.reshape(one["segmentation"][0], (-1, 2))
        low, high = ring.min(0), ring.max(0)
        one |= {"bbox": [*low, *(high - low)], "segmentation": [cut(ring).reshape(-1).tolist()]}
    path.write_text(json.dumps(content))
    assert [one.message[:29] for one in found(tmp_path, "SEG030")] == ["20 of 20 declared boxes have "] * is_told


def test_numbers_of_lines_are_no_ids(tmp_path: Path) -> None:
    """Each picture has 31 teeth, one line of YOLO's each; their numbers were not cut to five bits."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    corners = "{0} 0.1 {1} 0.1 {1} 0.9 {0} 0.9"
    lines = "".join(f"0 {corners.format((k + 0.2) / 40, (k + 0.8) / 40)}\n" for k in range(31))
    for number in range(10):
        Image.new("L", (400, 20), number).save(tmp_path / f"images/{number}.png")
        (tmp_path / f"labels/{number}.txt").write_text(lines)
    (tmp_path / "data.yaml").write_text("names: [tooth]\ntrain: images\n")
    assert not [one for one in found(tmp_path, "SEG316") if "bits" in one.message]
