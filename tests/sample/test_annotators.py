import json
from pathlib import Path

import numpy as np
import pytest

from segdata.sample.annotators import ANNOTATORS, Annotator, annotate, write_annotators
from segdata.sample.dataset import shoot
from segdata.sample.scene import Picture
from segdata.sample.write import Json, Shot
from tests.sample.test_write import panoptic


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json]:
    folder = tmp_path_factory.mktemp("annotators")
    return folder, write_annotators(folder, shoot(4, 5, [(200, 150)]), 4)


def agreement(a: Picture, b: Picture) -> float:
    """The share of pixels with the same category."""
    named = [np.array([0, *(segment.category.id for segment in p.segments)])[p.labels] for p in (a, b)]
    return float((named[0] == named[1]).mean())


def test_skill_shows(shots: list[Shot]) -> None:
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
        annotate(shot.picture, who, np.random.default_rng(n))[1] for n, shot in enumerate(shoot(3, 7, [(160, 120)]))
    ]
    deeds = [deed for page in done for deed in page.values()]
    assert len(deeds) > 50
    assert np.mean([deed == ["missed"] for deed in deeds]) == pytest.approx(0.4, abs=0.15)


def test_one_without_habits_draws_the_truth(shots: list[Shot]) -> None:
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
