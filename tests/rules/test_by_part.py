"""Rules that run on parts of a dataset find the same there as in the whole, however it is cut."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.format import Source
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.rule import find_rule, rules
from segdata.core.rule_runner import find_by_rule
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Attribute, Category, ExpectedCategory, SizeLimits, Taxonomy
from segdata.measure.measure import measure_source
from segdata.testing.pictures import find_in_parts, runs_of_masks
from tests.generators.sequences import SequenceDataset, reorder_images, sequence_dataset
from tests.rules.test_copied_and_cut import coco, stones
from tests.rules.test_outlier_rules import film, moved

ROOT = Path(__file__).parents[2]


def write_street(path: Path, n_images: int = 18, shift: float = 0.0, crowds: bool = True) -> Path:
    """A COCO file with most of what rules of the whole dataset look at: outliers, crowds, splits, rings, boxes."""
    rng = np.random.default_rng(3)
    annotations = []
    for image in range(1, n_images + 1):
        for _ in range(int(rng.integers(2, 12))):
            x, y, width, height = (int(v) for v in (*rng.integers(0, 120, 2), *rng.integers(6, 40, 2)))
            category = int(rng.integers(1, 4)) if image % 5 else 1
            if rng.random() < 0.02:
                width = height = 70
            ring = [x, y, x + width, y, x + width, y + height, x, y + height]
            if category == 2:  # no boxes
                ring = [x, y, x + width, y, x + width // 2, y + height]
            own = {"image_id": image, "category_id": category, "segmentation": [ring], "iscrowd": 0}
            if crowds and rng.random() < 0.1:
                runs = [200 * x + y, height, 200 * 199 + 200 - 200 * x - y - height]
                own |= {"iscrowd": 1, "segmentation": {"size": [200, 200], "counts": runs}}
                width, height = 1, runs[1]
            box = [x + shift, y, width, height]
            annotations.append({"id": len(annotations) + 1, "bbox": box, "area": width * height, **own})
    split = ["train", "val"]
    images = [
        {"id": k, "file_name": f"{split[k % 3 == 0]}/{k:03d}.png", "width": 200, "height": 200}
        for k in range(1, n_images + 1)
    ]
    names = ("car", "Car", "tree", "sky", "person")
    categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def check_all(data: segdata.Dataset, sizes: tuple[int, ...], codes: frozenset[str] = frozenset()) -> set[str]:
    """Compare every rule that says it can (`codes`: these), and return the codes of those that found anything."""
    return compare_parts(data.source, data.profile, data.config, sizes, codes)


def compare_parts(
    source: Source, profile: Profile, config: Config, sizes: tuple[int, ...], codes: frozenset[str] = frozenset()
) -> set[str]:
    """As `check_all`, of any source."""
    chosen = [rule for rule in rules("validate").values() if rule.applies(profile)]
    chosen = [rule for rule in chosen if rule.runs_by_part(profile) or rule.runs_per_sequence(profile)]
    chosen = [rule for rule in chosen if not codes or rule.code in codes]
    families = frozenset().union(*(rule.needs for rule in chosen))
    tables = measure_source(source, families, profile=profile, jobs=1)
    whole = find_by_rule(tables, chosen, config)
    for images in sizes:
        parts = find_in_parts(tables, source, chosen, config, images)
        for code, found in whole.items():
            assert sorted(parts[code], key=Finding.order) == sorted(found, key=Finding.order), (code, images)
    return {code for code, found in whole.items() if found}


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_generated_street(tmp_path: Path, shift: float) -> None:
    data = segdata.read(write_street(tmp_path / "coco.json", shift=shift))
    assert check_all(data, (1, 7)) >= {"SEG102", "SEG112", "SEG204", "SEG215"} | ({"SEG030"} if shift else set())


@pytest.mark.parametrize("names", [("car 1", "car 2", "car 3", "sky", "7"), ("1", "2", "3", "Car", "car")])
def test_names_with_numbers(tmp_path: Path, names: tuple[str, ...]) -> None:
    """What SEG215 asks of the parts depends on the names."""
    path = write_street(tmp_path / "coco.json")
    content = json.loads(path.read_text())
    content["categories"] = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    path.write_text(json.dumps(content))
    check_all(segdata.read(path), (1, 7), frozenset({"SEG215"}))


@pytest.mark.parametrize("name", ["semantic", "panoptic"])
def test_sample_data(name: str) -> None:
    check_all(segdata.read(ROOT / "sample_data" / name), (1, 3))


def _square(x: int, y: int, side: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def _in_corners(name: str) -> segdata.Dataset:
    """Squares in the upper left of all images, of most, or that begin in the corner; masks that are exchanged."""
    rng = np.random.default_rng(0)
    labels = {}
    for k in range(24):
        (x, y), side = rng.integers(4, 16, 2), int(rng.integers(6, 12))
        masks = [_square(x, y, side), _square(y, x, side + 1)]
        if name == "most" and k % 8 == 0:
            masks.append(_square(50, 30, side))
        if name == "corner":
            masks = [_square(0, 0, side), _square(1, 1, side + 1), _square(50, 30, side)]
        if name == "exchanged":
            masks = [masks[0] ^ (k == 3)]
        if name == "numbered":
            masks = [~masks[0], masks[0]]
        labels[f"{k:02d}.png"] = [(mask, "stone") for mask in masks]
    return segdata.from_arrays(labels, ["stone"])


@pytest.mark.parametrize(("n_drawings", "is_found"), [(24, True), (3, False)])
def test_dots_count_once_in_images_with_the_same_labels(n_drawings: int, is_found: bool) -> None:
    labels = {}
    for k in range(24):
        drawing = k % n_drawings
        square = _square(8 + drawing, 20, 12 + drawing // 2)
        labels[f"{k:02d}.png"] = [(square | _square(60, 40, 3), "stone")]
    source = segdata.from_arrays(labels, ["stone"])
    found = check_all(source, (1, 2, 4), frozenset({"SEG315"}))
    marks = [finding for finding in source.validate(select=["SEG315"]).findings if "a part of 9 px" in finding.message]
    assert bool(marks) is is_found
    assert found == {"SEG315"} or not is_found


@pytest.mark.parametrize(
    ("name", "code"),
    [("all", "SEG317"), ("most", "SEG317"), ("corner", "SEG317"), ("exchanged", "SEG132"), ("numbered", "SEG132")],
)
def test_places_in_images(name: str, code: str) -> None:
    data = _in_corners(name)
    task = "semantic" if name == "exchanged" else "instance"
    data = dataclasses.replace(data, profile=dataclasses.replace(data.profile, task=task))
    assert code in check_all(data, (1, 7), frozenset({"SEG132", "SEG317"}))


def test_labels_of_another_image_turned() -> None:
    rng = np.random.default_rng(0)
    spots = [[(rng.random((12, 12)) < 0.8) for _ in range(5)] for _ in range(12)]
    labels = {}
    for k, several in enumerate(spots):
        masks = []
        for n, spot in enumerate(several):
            mask = np.zeros((20, 80), bool)
            mask[2 + n : 14 + n, 14 * n + 3 : 14 * n + 15] = spot
            masks.append(mask)
        labels[f"{k:02d}.png"] = [(mask, "stone") for mask in masks]
    labels["12.png"] = [(mask[:, ::-1], name) for mask, name in labels["04.png"]]
    data = segdata.from_arrays(labels, ["stone"])
    data = dataclasses.replace(data, profile=dataclasses.replace(data.profile, task="instance"))
    assert check_all(data, (1, 7), frozenset({"SEG315"})) == {"SEG315"}


def test_what_a_taxonomy_asks_of_all_images() -> None:
    """Attributes, expected categories, ranges of sizes, and things as large as their image."""
    car = Category(
        id=1, name="car", kind="thing", attributes=(Attribute("driven", required=True),), size=SizeLimits(max_pixels=9)
    )
    road = Category(id=2, name="road", kind="stuff", expected=ExpectedCategory(least_share=0.9))
    taxonomy = Taxonomy(categories=(car, road))
    labels = {
        f"{k}.png": [(np.ones((8, 8), bool) if k < 2 else np.eye(8, dtype=bool), "car")]
        + [(np.ones((8, 8), bool), "road")] * (k > 3)
        for k in range(8)
    }
    data = segdata.from_arrays(labels, taxonomy)
    data = dataclasses.replace(data, profile=dataclasses.replace(data.profile, task="panoptic"))
    codes = frozenset({"SEG117", "SEG209", "SEG213", "SEG214"})
    assert check_all(data, (1, 3), codes) == codes


def _sequences() -> SequenceDataset:
    """Three videos, whose frames come by turns, and a volume, with much of what rules of them look at."""
    jumps, renamed = film(speed=1.0), film(speed=1.0)
    exchanged = film(speed=4.0)[[0, 1, 9, 3, 4, 5, 6, 7, 8, 2, *range(10, 16)]]
    jumps[8:] = moved(jumps[8:], 2, 0, 40)
    jumps[5][jumps[5] == 1] = 0  # gone for a frame
    jumps[13][jumps[13] == 3] = 4  # a track of one frame
    renamed[4:6][renamed[4:6] == 2] = 4  # another category
    renamed[10] = np.choose(renamed[10], [0, 3, 2, 1, 4])
    renamed[14] = renamed[13]
    volume = np.repeat(film()[:1], 8, axis=0)
    volume[3][volume[3] == 1] = 0
    volume[5, 80:82, 5] = 3  # a speck
    volume[6, 46, 26] = 0  # a pinhole
    drawn = [(jumps, (1, 2, 3, 44)), (renamed, (1, 2, 3, 2)), (exchanged, (1, 2, 3)), (volume, ())]
    several = [sequence_dataset(labels, tracks=tracks) for labels, tracks in drawn]
    batches = []
    for k, one in enumerate(several):
        images = replace_column(one.batch.images, "sequence", [str(k)] * len(one.image_ids))
        images = replace_column(images, "image_id", [f"{k}/{name}" for name in one.image_ids])
        batches.append(dataclasses.replace(one.batch, images=images))
    sequences = tuple(ImageSequence(str(k), "volume" if k == 3 else "video") for k in range(4))
    profile = dataclasses.replace(several[0].profile, sequences=sequences, task="instance")
    by_turns = np.append(np.arange(48).reshape(3, 16).T.ravel(), np.arange(48, 56))
    return SequenceDataset(profile, reorder_images(concatenate_batches(batches), by_turns))


def test_sequences_that_parts_divide() -> None:
    data = _sequences()
    codes = frozenset(code for code, rule in rules("validate").items() if rule.per_sequence)
    found = compare_parts(data, data.profile, Config(), (7,), codes)
    assert found >= {"SEG106", "SEG107", *(f"SEG{number}" for number in (351, 353, 354, 355, 356, 358, 359, 360))}


def _panel() -> SequenceDataset:
    """Images that three annotators drew, of whom one reaches under what hides a car, and divides what is hidden."""
    masks, segments, owners = list[np.ndarray](), list[tuple[int, int]](), list[tuple[int, str]]()
    for image in range(12):
        for name in ("anna", "ben", "cleo"):
            owners.append((image, name))
            drawn = [(_square(x, 1, 10), 1) for x in (0, 26, 52)]
            drawn += [(_square(x, 11 - 4 * (name == "ben"), 10), 2) for x in (0, 26, 52)]
            pieces = [(_square(5, 30 + image, 10), 3), (_square(45, 30 + image, 10), 3)]
            drawn += pieces if name == "ben" else [(pieces[0][0] | pieces[1][0], 3)]
            drawn += [(_square(20, 25, 16), 4)] * (name == "ben")
            masks += [mask for mask, _ in drawn]
            segments += [(len(owners) - 1, category) for _, category in drawn]
    categories = [Category(id=1, name="car"), Category(id=2, name="person"), Category(id=3, name="bus")]
    taxonomy = Taxonomy(categories=(*categories, Category(id=4, name="dirt", kind="void")))
    batch = Batch(
        make_table(BATCH_IMAGES, 12, image_id=[f"{k}.png" for k in range(12)], height=[60] * 12, width=[80] * 12),
        make_table(BATCH_ANNOTATIONS, 36, image=[image for image, _ in owners], annotator=[name for _, name in owners]),
        make_table(
            BATCH_SEGMENTS,
            len(segments),
            annotation=[row for row, _ in segments],
            segment_id=list(range(len(segments))),
            category_id=[category for _, category in segments],
            iscrowd=[False] * len(segments),
        ),
        runs_of_masks(masks),
    )
    profile = dataclasses.replace(
        sequence_dataset(film(1)).profile, taxonomy=taxonomy, task="instance", sequences=(), overlap=Policy("allow")
    )
    return SequenceDataset(profile, batch)


def test_several_annotators() -> None:
    data = _panel()
    codes = frozenset({"SEG212", "SEG310"})
    assert compare_parts(data, data.profile, Config(), (1, 5), codes) == codes
    rule = find_rule("SEG212")
    found = find_by_rule(measure_source(data, rule.needs, jobs=1), [rule], Config())["SEG212"]
    assert {finding.category for finding in found} == {"car", "person", "bus"}  # borders, and things in parts


def test_tracks_that_are_greys() -> None:
    data = sequence_dataset(np.array([0, 38, 75, 113])[film(4)], tracks=range(1, 114), task="instance")
    assert compare_parts(data, data.profile, Config(), (3,), frozenset({"SEG219"})) == {"SEG219"}


@pytest.mark.parametrize(
    ("n", "is_moved", "is_told"), [(5, True, True), (5, False, False), (3, True, False)], ids=["moved", "still", "few"]
)
def test_outlines_of_train_in_val(tmp_path: Path, n: int, is_moved: bool, is_told: bool) -> None:
    """Objects that were pasted into the pictures of another split keep their outline, at another place."""
    rng = np.random.default_rng(5)
    images = [[[[2 * value for value in ring] for ring in rings] for rings in stones(rng, 3)] for _ in range(24)]
    for image in range(n):  # every fourth image is of val
        ring = np.reshape(images[4 * image + 1][0][0], (-1, 2))
        images[4 * image].append([(ring + np.array([2, -1]) * is_moved).reshape(-1).tolist()])
    path = coco(tmp_path, images, [(240, 240)] * 24) / "instances.json"
    content = json.loads(path.read_text())
    for number, record in enumerate(content["images"]):
        record["file_name"] = f"{'train' if number % 4 else 'val'}/{number}.png"
    path.write_text(json.dumps(content))
    data = segdata.read(path)
    assert [(one.severity, one.message.partition(" (")[0]) for one in data.validate(select="SEG133").findings] == [
        ("warning", f"{n} segments of 'val'")
    ] * is_told
    assert len(check_all(data, (1, 2, 5), frozenset({"SEG133"}))) == is_told
