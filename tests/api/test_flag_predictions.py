"""Predictions in files of every layout, in the place of networks."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from segdata.api.convert import convert
from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.corruptions import CorruptionRates
from segdata.noise.flag_result import FlagResult
from segdata.noise.networks.plan import Settings
from segdata.testing.noise import inject_errors
from tests.generators.oracle import blobs

NAMES = ("cell", "dust")
KINDS = Taxonomy(
    categories=tuple(Category(id=id_, name=name, kind="thing") for id_, name in ((4, "cell"), (9, "dust")))
)
Mask = NDArray[np.bool_]
Scene = dict[str, list[tuple[Mask, str]]]


def scene(n: int = 3) -> Scene:
    """Discs of two categories on images that are called 1.png, 2.png, …."""
    made: Scene = {}
    for at in range(n):
        drawn = blobs(np.random.default_rng([3, at]), height=120, n=30, n_categories=3)
        flat = [drawn.take(np.array([row])).categories().reshape(drawn.width, 120).T for row in range(len(drawn))]
        made[f"{at + 1}.png"] = [(each > 0, NAMES[each.max() - 1]) for each in flat]
    return made


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """COCO instances with errors, and the list of the errors."""
    folder = tmp_path_factory.mktemp("labels")
    data, errors = inject_errors(
        from_arrays(scene(), KINDS), 2, CorruptionRates(0.08, ("missing", "extra", "merge", "split", "dilate"))
    )
    convert(data, folder / "coco", to="coco-instances")
    (folder / "errors.json").write_text(json.dumps([each.row() for each in errors]))
    return folder / "coco" / "annotations.json", folder / "errors.json"


def rle(mask: Mask) -> dict[str, object]:
    found = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": found["size"], "counts": found["counts"].decode()}


def results(folder: Path, labels: Path) -> Path:
    images = {each["file_name"]: each["id"] for each in json.loads(labels.read_text())["images"]}
    ids = {each["name"]: each["id"] for each in json.loads(labels.read_text())["categories"]}
    items = [
        {"image_id": images[name], "category_id": ids[kind], "segmentation": rle(mask), "score": 0.6 + 0.01 * (at % 30)}
        for name, masks in scene().items()
        for at, (mask, kind) in enumerate(masks)
    ]
    path = folder / "results.json"
    path.write_text(json.dumps(items))
    return path


def panoptic(folder: Path, labels: Path) -> Path:
    convert(from_arrays(scene(), KINDS), folder / "panoptic", to="coco-panoptic")
    return folder / "panoptic"


def archives(folder: Path, labels: Path) -> Path:
    for name, masks in scene().items():
        p = np.full((3, 120, masks[0][0].shape[1]), 0.1, np.float32)
        p[0] = 0.8
        for mask, kind in masks:
            p[:, mask] = 0.1
            p[1 + NAMES.index(kind), mask] = 0.8
        path = folder / "npz" / f"{Path(name).stem}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, probabilities=p.astype(np.float16), class_names=["background", *NAMES])
    return folder / "npz"


def sam(folder: Path, labels: Path) -> Path:
    (folder / "sam").mkdir()
    for name, masks in scene().items():
        said = {"stability_score": 0.95, "point_coords": [[1.0, 1.0]], "crop_box": [0, 0, 9, 9]}
        items = [
            {"segmentation": rle(mask), "area": int(mask.sum()), "predicted_iou": 0.9, "bbox": [0, 0, 1, 1], **said}
            for mask, _ in masks
        ]
        (folder / "sam" / f"{Path(name).stem}.json").write_text(json.dumps(items))
    return folder / "sam"


def judged(labels: tuple[Path, Path], predictions: Path | OpenDataset) -> FlagResult:
    return flag(labels[0], predictions=predictions, truth=labels[1], settings=Settings(jobs=1))


@pytest.mark.parametrize("write", [results, panoptic, archives, sam])
def test_errors_come_first_by_predictions_of_any_layout(
    write: Callable[[Path, Path], Path], labels: tuple[Path, Path], tmp_path: Path
) -> None:
    result = judged(labels, write(tmp_path, labels[0]))
    assert result.quality[0].auroc.value > 0.75
    assert result.validation.findings
    assert result.plan is None
    if write is sam:
        assert set(result.validation.by_code) <= {"SEG501", "SEG502", "SEG504", "SEG505", "SEG506"}
        assert "no categories" in result.notes[0]
    else:
        assert [each.category for each in result.trust] == [*NAMES]


@pytest.mark.parametrize("write", [results, archives])
def test_processes_and_one_thread_find_the_same(
    write: Callable[[Path, Path], Path], labels: tuple[Path, Path], tmp_path: Path
) -> None:
    predictions = write(tmp_path, labels[0])
    alone, several = (flag(labels[0], predictions=predictions, settings=Settings(jobs=jobs)) for jobs in (1, 3))
    assert alone.to_json() == several.to_json()


def test_scores_are_kept(labels: tuple[Path, Path], tmp_path: Path) -> None:
    path = results(tmp_path, labels[0])
    before = judged(labels, path)
    items = json.loads(path.read_text())
    path.write_text(json.dumps([each | {"score": each["score"] / 2} for each in items]))
    after = judged(labels, path)
    assert after.segments["doubt"].mean() > before.segments["doubt"].mean() + 0.1


def test_predictions_of_something_else_are_refused(labels: tuple[Path, Path], tmp_path: Path) -> None:
    mask = np.zeros((120, 180), bool)
    mask[3:9, 3:9] = True
    with pytest.raises(SegdataError, match="no category is the same"):
        judged(labels, from_arrays({"1.png": [(mask, "tree"), (mask, "car")]}, ["tree", "car"]))
    nameless = archives(tmp_path, labels[0])
    for file in nameless.iterdir():
        np.savez_compressed(file, probabilities=np.load(file)["probabilities"])
    with pytest.raises(SegdataError, match="no category is the same; name the classes: class_names in the archives"):
        judged(labels, nameless)
    with pytest.raises(SegdataError, match="no image of these labels"):
        judged(labels, from_arrays({"x.png": [(mask, "cell")]}, KINDS))
    with pytest.raises(SegdataError, match=r"1\.png are 8x7 px, its labels 180x120 px"):
        judged(labels, from_arrays({"1.png": [(np.ones((7, 8), bool), "cell")]}, KINDS))
    with pytest.raises(SegdataError, match="does not exist"):
        judged(labels, tmp_path / "nothing.json")
    semantic = from_arrays({"1.png": np.ones((120, 180), int)}, ["soil"])
    blob = {"1.png": [(mask, "object")]}
    with pytest.raises(SegdataError, match="these labels have none"):
        flag(
            semantic, predictions=from_arrays(blob, Taxonomy(categories=(Category(id=1, name="object", kind="thing"),)))
        )


def test_a_run_that_has_not_ended_is_refused_with_the_command_that_ends_it(
    labels: tuple[Path, Path], tmp_path: Path
) -> None:
    stopped = tmp_path / "work"
    stopped.mkdir()
    for name in ("key", "plan.json"):
        (stopped / name).write_text("{}")
    with pytest.raises(SegdataError, match=rf"has not ended; go on with it: segdata flag .* --work-dir {stopped}$"):
        judged(labels, stopped)


def test_images_without_predictions_are_not_judged(labels: tuple[Path, Path], tmp_path: Path) -> None:
    folder = archives(tmp_path, labels[0])
    (folder / "2.npz").unlink()
    result = judged(labels, folder)
    assert "for 1 of 3 images" in result.notes[0]
    assert sorted(result.images["image"]) == ["1.png", "3.png"]
    (folder / "3.npz").write_bytes(b"broken")
    with pytest.raises(SegdataError, match=r"3\.npz"):
        judged(labels, folder)
