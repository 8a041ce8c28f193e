import json

import numpy as np
import pytest

from segdata.sample.dataset import shoot
from segdata.sample.noise import INJECTIONS, inject, write_noise
from segdata.sample.redraw import Sheet
from segdata.sample.write import Json, write_panoptic
from tests.sample.test_write import categories_in, panoptic

Page = tuple[np.ndarray, dict[int, dict[str, int]]]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Json], dict[str, Page], dict[str, Page]]:
    """The truth, and the pages before and after."""
    folder, shots = tmp_path_factory.mktemp("noise"), shoot(7, 12, [(200, 150)])
    truth = write_noise(folder / "noisy", shots, 7)
    write_panoptic(folder / "clean", shots)
    assert truth == json.loads((folder / "noisy" / "truth.json").read_text())
    before, after = (
        {f"{stem}.jpg": (ids, infos) for stem, ids, infos in panoptic(folder / name)} for name in ("clean", "noisy")
    )
    return truth, before, after


def masks(page: Page, numbers: list[int]) -> list[np.ndarray]:
    return [page[0] == number for number in numbers]


def test_only_what_the_truth_lists_differs(noisy: tuple[list[Json], dict[str, Page], dict[str, Page]]) -> None:
    truth, before, after = noisy
    changed = {image for image in before if (categories_in(*before[image]) != categories_in(*after[image])).any()}
    listed = {entry["image"] for entry in truth}
    assert changed <= listed
    assert 0 < len(listed) < len(before), "some pictures stay clean"
    assert {entry["code"] for entry in truth} == set(INJECTIONS)


def test_each_entry_holds_in_the_files(noisy: tuple[list[Json], dict[str, Page], dict[str, Page]]) -> None:
    truth, before, after = noisy
    for entry in truth:
        was = masks(before[entry["image"]], entry["clean_segments"])
        now = masks(after[entry["image"]], entry["segments"])
        assert all(mask.any() for mask in was + now)
        x, y, width, height = entry["bbox"]
        box = np.zeros(before[entry["image"]][0].shape, bool)
        box[y : y + height, x : x + width] = True
        categories = [categories_in(*pages[entry["image"]]) for pages in (before, after)]
        assert not (categories[0] != categories[1])[~box].any()
        counts = {
            "SEG501": (1, 0),
            "SEG502": (0, 1),
            "SEG503": (1, 1),
            "SEG504": (1, 1),
            "SEG505": (2, 1),
            "SEG506": (1, 2),
        }
        if entry["code"] in counts:
            assert (len(was), len(now)) == counts[entry["code"]]
        if entry["code"] == "SEG501":
            assert entry["pixels"] == was[0].sum()
        if entry["code"] == "SEG502":
            assert entry["pixels"] == now[0].sum()
        if entry["code"] in ("SEG505", "SEG506"):
            np.testing.assert_array_equal(np.any(was, axis=0), np.any(now, axis=0))
        if entry["code"] == "SEG504":
            assert entry["pixels"] == (was[0] ^ now[0]).sum()


def test_a_picture_without_things_offers_no_occasion() -> None:
    sheet = Sheet.of(shoot(7, 1, [(160, 120)])[0].picture)
    sheet.things.clear()
    bare = sheet.picture()
    for code in sorted(set(INJECTIONS) - {"SEG507"}):
        assert inject(bare, code, np.random.default_rng(0)) is None
