"""Flag with networks that it trains itself: planted errors, images that cannot be used, and runs that go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise import trust
from segdata.noise.networks.plan import Settings, load_model_factory
from segdata.noise.networks.predictions import open_predictions

Make = Callable[..., OpenDataset]
TINY = Settings(
    folds=2, crop=64, width=8, depth=3, batch=4, steps=40, flips=0, learning_rate=0.02, jobs=1, near=False, device="cpu"
)
FEW = replace(TINY, steps=2, width=4)
DISC = Taxonomy(categories=(Category(id=3, name="disc", kind="thing"),))


def pictures(folder: Path, arrays: list[NDArray[np.generic]]) -> list[str]:
    """Image files, as TIFF where PNG has no such form."""
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for at, pixels in enumerate(arrays):
        plain = pixels.ndim == 2 or pixels.shape[2] == 3
        names.append(f"{at}.{'png' if plain else 'tif'}")
        if plain:
            Image.fromarray(pixels).save(folder / names[-1])
        else:
            tifffile.imwrite(folder / names[-1], pixels, photometric="minisblack", planarconfig="contig")
    return names


def blocks(folder: Path, arrays: list[NDArray[np.generic]]) -> OpenDataset:
    """A disc in each image, whatever the image shows."""
    drawn = {}
    for name, pixels in zip(pictures(folder, arrays), arrays, strict=True):
        mask = np.zeros(pixels.shape[:2], bool)
        mask[10:30, 12:32] = True
        drawn[name] = [(mask, "disc")]
    return from_arrays(drawn, DISC, images=folder)


def test_planted_errors_come_out_on_top(shapes: Make, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    data = shapes(folder, 12)
    maps = data.maps()
    labels = {}
    for row, name in enumerate(maps.image_ids):
        found = maps.instances(row)
        kinds = [maps.names[each] for each in found.classes.tolist()]
        labels[name] = list(zip(found.masks(), kinds, strict=True))
    gone, called = sorted(labels)[0], sorted(labels)[6]
    del labels[gone][0]
    mask, kind = labels[called][1]
    labels[called][1] = mask, "square" if kind == "disc" else "disc"
    wrong = shapes(folder, 12, labels=labels)
    result = flag(wrong, settings=replace(TINY, steps=80), work_dir=tmp_path / "work")
    assert {gone, called} <= set(result.parts["image"].head(8))  # of 47 segments and what is missing
    assert result.plan is not None
    assert result.predictions == str(tmp_path / "work")


def test_what_was_made_is_found_again_for_the_same_data_only(shapes: Make, tmp_path: Path) -> None:
    data = shapes(tmp_path / "images", 4)
    first = flag(data, settings=FEW)
    for jobs in (2, 3):  # threads, and processes
        again = flag(data, settings=replace(FEW, jobs=jobs))
        assert (again.predictions, again.validation) == (first.predictions, first.validation)
    assert flag(data, settings=replace(FEW, seed=1)).predictions != first.predictions
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "images" / "00.png")
    assert flag(data, settings=FEW).predictions != first.predictions


RNG = np.random.default_rng(0)
KINDS = {
    "16 bits": [RNG.integers(0, 4000, (48, 48)).astype(np.uint16) for _ in range(4)],
    "12 channels": [RNG.integers(0, 255, (48, 48, 12)).astype(np.uint8) for _ in range(4)],
    "many sizes": [RNG.integers(0, 255, (40 + 9 * at, 70 - 9 * at, 3)).astype(np.uint8) for at in range(4)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_any_form_are_judged(kind: str, tmp_path: Path) -> None:
    result = flag(blocks(tmp_path / "images", KINDS[kind]), settings=replace(FEW, crop=32), work_dir=tmp_path / "work")
    assert len(result.images) == 4
    assert [each for each in result.validation.findings if each.score is None] == []


def test_a_corrupt_image_becomes_a_finding_and_the_rest_is_judged(tmp_path: Path) -> None:
    data = blocks(tmp_path / "images", KINDS["many sizes"])
    (tmp_path / "images" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    result = flag(data, settings=replace(FEW, crop=32), work_dir=tmp_path / "work")
    first = result.validation.findings[0]
    assert (first.code, first.image) == ("SEG001", "1.png")
    assert sorted(result.images["image"]) == ["0.png", "2.png", "3.png"]


def test_too_little_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="two are needed"):
        flag(blocks(tmp_path / "one", KINDS["many sizes"][:1]), settings=FEW, work_dir=tmp_path / "a")
    folder = tmp_path / "images"
    names = pictures(folder, KINDS["16 bits"])
    void = Taxonomy(categories=(Category(id=1, name="ignored", kind="void"), Category(id=2, name="disc")))
    ignored = from_arrays({name: np.ones((48, 48), int) for name in names}, void, images=folder)
    with pytest.raises(SegdataError, match="there is nothing to learn"):
        flag(ignored, settings=FEW, work_dir=tmp_path / "b")
    one = from_arrays({name: np.ones((48, 48), int) for name in names}, ["soil"], images=folder)
    (trust,) = flag(one, settings=replace(FEW, crop=32), work_dir=tmp_path / "c").trust
    assert trust.category == "soil"


def test_a_network_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\ndef net(channels, categories):\n    return nn.Conv2d(channels, categories, 1)\n"
    )
    data = blocks(tmp_path / "images", KINDS["many sizes"])
    asked = replace(FEW, crop=32, model=load_model_factory(f"{path}:net"))
    found = flag(data, settings=asked, work_dir=tmp_path / "work")
    same = replace(FEW, crop=32, model=load_model_factory(f"{path}:net"))
    assert flag(data, settings=same, work_dir=tmp_path / "work").predictions == found.predictions
    with pytest.raises(SegdataError, match="no function mesh"):
        load_model_factory(f"{path}:mesh")


def test_pictures_are_compared_with_each_other_once(
    shapes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the folds and the causes of findings need to know which images are copies."""
    compared = []

    def look(images: Table, jobs: int) -> Ints:
        compared.append(len(images))
        return np.array([[0, 1]], np.int64)

    monkeypatch.setattr(trust, "find_lookalikes", look)
    found = flag(shapes(tmp_path / "images", 4), settings=replace(FEW, near=True), work_dir=tmp_path / "work")
    assert compared == [4]
    fold = open_predictions(Path(found.predictions)).fold
    assert fold[0] == fold[1]
