"""Label noise of the sample data: known errors, listed with their truth."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generators.sample.canvas import Segment
from tests.generators.sample.dataset import render_streets
from tests.generators.sample.label_noise import (
    ANNOTATORS,
    INJECTIONS,
    Annotator,
    EditableLabels,
    annotate,
    inject,
    signed_distance,
    simplify,
    write_annotators,
    write_noise,
)
from tests.generators.sample.scene import Picture
from tests.generators.sample.taxonomy import CAR, ROAD
from tests.generators.sample.test_writers import categories_in, panoptic
from tests.generators.sample.writers import Json, NamedPicture, write_panoptic


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    folder = tmp_path_factory.mktemp("annotators")
    return folder, write_annotators(folder, render_streets(4, 5, [(200, 150)]), 4)


def agreement(a: Picture, b: Picture) -> float:
    """The share of pixels with the same category."""
    named = [np.array([0, *(segment.category.id for segment in p.segments)])[p.labels] for p in (a, b)]
    return float((named[0] == named[1]).mean())


def test_skill_shows(shots: list[NamedPicture]) -> None:
    """Gold agrees with the truth more than careful, and careful more than hurried."""
    scores = {
        who.name: np.mean(
            [agreement(s.picture, annotate(s.picture, who, np.random.default_rng(n))[0]) for n, s in enumerate(shots)]
        )
        for who in ANNOTATORS
    }
    assert scores["gold"] > scores["careful"] > scores["hurried"] > 0.8


def test_rates_are_kept() -> None:
    """Of 60 small things, one who misses 40 % misses about that many."""
    who = Annotator("x", small_pixels=10**9, miss_rate=0.4)
    done = [
        annotate(shot.picture, who, np.random.default_rng(n))[1]
        for n, shot in enumerate(render_streets(3, 7, [(160, 120)]))
    ]
    deeds = [deed for page in done for deed in page.values()]
    assert len(deeds) > 50
    assert np.mean([deed == ["missed"] for deed in deeds]) == pytest.approx(0.4, abs=0.15)


def test_one_without_habits_draws_the_truth(shots: list[NamedPicture]) -> None:
    drawn, done = annotate(shots[0].picture, Annotator("perfect"), np.random.default_rng(0))
    assert agreement(drawn, shots[0].picture) == 1
    assert not any(done.values())


def test_skipped_and_empty_are_two_kinds_of_nothing(written: tuple[Path, Json]) -> None:
    folder, truth = written
    assert json.loads(json.dumps(truth)) == json.loads((folder / "truth.json").read_text())
    for name, who in truth["annotators"].items():
        document = json.loads((folder / name / "panoptic.json").read_text())
        files = {image["id"]: image["file_name"] for image in document["images"]}
        annotated = {files[a["image_id"]]: a["segments_info"] for a in document["annotations"]}
        assert set(files.values()) - set(annotated) == set(who["skipped"])
        assert {file for file, infos in annotated.items() if not infos} == set(who["empty"])
    assert truth["annotators"]["hurried"]["skipped"]
    assert truth["annotators"]["hurried"]["empty"]


def test_the_truth_names_segments_that_are_there(written: tuple[Path, Json]) -> None:
    folder, truth = written
    for name in truth["annotators"]:
        pages = {f"{stem}.jpg": (ids, infos) for stem, ids, infos in panoptic(folder / name)}
        objects = [entry for entry in truth["objects"] if entry["annotator"] == name]
        assert objects
        for entry in objects:
            ids, infos = pages[entry["image"]]
            gone = any(deed == "missed" or deed.startswith("merged into") for deed in entry["done"])
            assert (entry["drawn"] is None) == gone
            if not gone:
                assert infos[entry["drawn"]]["area"] == (ids == entry["drawn"]).sum() > 0


def test_the_biased_grow_people(written: tuple[Path, Json]) -> None:
    """People drawn by the biased annotator are larger than the truth by about the outline's length times the bias."""
    folder, truth = written
    areas: dict[str, list[int]] = {"gold": [], "biased": []}
    for name, found in areas.items():
        for _, ids, infos in panoptic(folder / name):
            found += [(ids == n).sum() for n, info in infos.items() if info["category_id"] == 9 and not info["iscrowd"]]
    assert truth["annotators"]["biased"]["grow_px"]["person"] == 2.0
    assert 1.2 < np.sum(areas["biased"]) / np.sum(areas["gold"]) < 2.2


Page = tuple[np.ndarray, dict[int, dict[str, int]]]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Json], dict[str, Page], dict[str, Page]]:
    """The truth, and the pages before and after."""
    folder, shots = tmp_path_factory.mktemp("noise"), render_streets(7, 12, [(200, 150)])
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
    sheet = EditableLabels.of(render_streets(7, 1, [(160, 120)])[0].picture)
    sheet.things.clear()
    bare = sheet.picture()
    for code in sorted(set(INJECTIONS) - {"SEG507"}):
        assert inject(bare, code, np.random.default_rng(0)) is None


def disc_on_road(radius: float, size: int = 120) -> Picture:
    rows, columns = np.mgrid[:size, :size] - size / 2
    labels = np.where(rows**2 + columns**2 <= radius**2, 2, 1).astype(np.int32)
    return Picture(np.zeros((size, size, 3), np.uint8), labels, (Segment(ROAD, 0), Segment(CAR, 7)))


@given(st.integers(-4, 5), st.integers(14, 30))
def test_growing_moves_the_outline_by_that_many_pixels(pixels: int, radius: int) -> None:
    """The radius of a disc of the same area changes by as much; digital circles are good to half a pixel."""
    sheet = EditableLabels.of(disc_on_road(radius))
    before = sheet.things[7][1].sum()
    sheet.grow(7, pixels)
    after = sheet.things[7][1].sum()
    assert np.sqrt(after / np.pi) - np.sqrt(before / np.pi) == pytest.approx(pixels, abs=0.45)


def test_distance_is_counted_from_the_edges_of_pixels() -> None:
    assert signed_distance(np.array([[0, 0, 1, 1, 0]], bool))[0].tolist() == [-1.5, -0.5, 0.5, 0.5, -0.5]


def test_a_wavering_outline_has_the_wanted_spread() -> None:
    """On a straight upright border, where a row ends varies with the standard deviation asked for."""
    labels = np.ones((4000, 60), np.int32)
    labels[:, 30:] = 2
    picture = Picture(np.zeros((4000, 60, 3), np.uint8), labels, (Segment(ROAD, 0), Segment(CAR, 7)))
    sheet = EditableLabels.of(picture)
    sheet.warp(np.random.default_rng(0), 2.0)
    ends = 60 - sheet.things[7][1].sum(axis=1)
    assert ends.std() == pytest.approx(2.0, rel=0.2)
    assert ends.mean() == pytest.approx(30, abs=0.5)


def test_a_coarse_polygon_fills_holes_and_stays_close() -> None:
    mask = disc_on_road(30).mask(2)
    holed = mask.copy()
    holed[55:65, 55:65] = False
    coarse = simplify(holed, 2.0)
    assert coarse[55:65, 55:65].all()
    assert (coarse != mask).sum() < 0.12 * mask.sum()


def test_what_is_untouched_comes_back_as_it_was(shots: list[NamedPicture]) -> None:
    picture = shots[0].picture
    again = EditableLabels.of(picture).picture()
    keys = [np.array([0, *(s.category.id * 1000 + s.track for s in p.segments)])[p.labels] for p in (picture, again)]
    np.testing.assert_array_equal(*keys)
