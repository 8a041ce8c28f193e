"""Trust: nothing is found in images that the model does not know, but in images whose labels are wrong."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.core.image_files import ChannelArray
from segdata.noise.networks.plan import Settings
from segdata.noise.predictor import ImagePrediction
from segdata.noise.ranking import ImageFeatures, RankedCandidates, image_features, rank_candidates
from segdata.noise.segments import SegmentSet
from segdata.noise.thresholds import candidates_above, category_trust
from segdata.noise.trust import (
    ImageFit,
    ImageLikeness,
    image_fit,
    informed_images,
    known_images,
)
from tests.generators.oracle import OracleModel, blobs, oracle_evidence, patches
from tests.noise.moved import moved_by

THINGS = np.array([False, True])


def page(seed: int, elsewhere: bool = False) -> tuple[SegmentSet, ImagePrediction]:
    """Labels, and what a model sees that knows the image, or things in other places."""
    rng = np.random.default_rng(seed)
    clean = blobs(rng, height=130, n=32)
    seen = blobs(np.random.default_rng(seed + 1000), height=130, n=32) if elsewhere else clean
    return clean, oracle_evidence(seen, THINGS, rng)


def picture(seed: int, bright: bool) -> ChannelArray:
    return np.random.default_rng(seed).normal(180 if bright else 60, 9, (1, 130, 180)).clip(0, 255).astype(np.uint8)


@settings(max_examples=10, deadline=None)
@any_of(st.integers(0, 5), st.floats(0.02, 1.0))
def test_what_is_left_out_does_not_count_against_the_model(seed: int, share: float) -> None:
    drawn, prediction = page(seed)
    kept = np.flatnonzero(np.random.default_rng(seed).random(len(drawn)) < share)
    some = drawn.take(np.append(kept, 0))
    assert image_fit(some, prediction.confusion(some)).informed > 0.5


def test_a_model_that_sees_everything_everywhere_is_as_good_as_chance() -> None:
    drawn, _ = page(0)
    everywhere = np.stack([np.full((130, 180), 0.1), np.full((130, 180), 0.9)])
    assert image_fit(drawn, ImagePrediction.from_probabilities(everywhere).confusion(drawn)).informed == 0
    nothing = SegmentSet.from_runs(drawn.runs, np.full(len(drawn), -1), drawn.height, drawn.width)
    assert np.isnan(image_fit(nothing, ImagePrediction.from_probabilities(everywhere).confusion(nothing)).informed)
    stuff = patches(np.random.default_rng(0), height=130)
    chance = np.random.default_rng(0).dirichlet(np.ones(4), (130, 180)).transpose(2, 0, 1)
    assert abs(image_fit(stuff, ImagePrediction.from_probabilities(chance).confusion(stuff)).informed) < 0.03


def test_images_that_are_alike_vouch_for_each_other() -> None:
    """One label of a thing that the model does not see, in an image like others that it knows: a wrong label."""
    rng = np.random.default_rng(0)
    looks = [rng.normal(5 * (row >= 8), 0.3, 6) for row in range(12)]
    fits = [*[ImageFit(0.9, 30)] * 7, ImageFit(0.0, 1), *[ImageFit(0.02, 30)] * 4]
    known = known_images(informed_images(fits, ImageLikeness.from_appearance(looks, np.arange(12))))
    assert known.tolist() == [True] * 8 + [False] * 4
    alone = known_images(informed_images(fits, ImageLikeness.from_appearance([None] * 12, np.arange(12))))
    assert alone.tolist() == [True] * 7 + [False] * 5
    sequence = np.array([0] * 8 + [1] * 4)
    assert (
        known_images(informed_images(fits, ImageLikeness.from_appearance([None] * 12, sequence))).tolist()
        == known.tolist()
    )
    assert known_images(np.array([np.nan])).all()


@cache
def look(row: int, unknown: bool, brief: bool = False) -> ImageFeatures:
    drawn, prediction = page(row, unknown)
    if row == 0:
        drawn = moved_by(drawn, 6, -4)
    rng = np.random.default_rng(row)
    return image_features(drawn, prediction, THINGS, rng, picture=picture(row, unknown), brief=brief)


@cache
def ranked(n_unknown: int = 3) -> RankedCandidates:
    """Nine images, the last of which are bright and not known, and the first of which has all labels moved."""
    return rank_candidates([look(row, row >= 9 - n_unknown) for row in range(9)])


def test_nothing_is_found_in_images_that_the_model_does_not_know() -> None:
    result = ranked()
    assert result.known_images.tolist() == [True] * 6 + [False] * 3
    trust = category_trust(result, ["nothing", "cell"], np.zeros(2))
    assert trust[0].reason is None  # that it does not know them says nothing of the others
    rows = candidates_above(result, trust)
    assert set(result.image[rows].tolist()) == set(range(6))
    assert (result.held_out.image < 6).all()


def test_labels_that_are_moved_are_found_where_the_model_knows_the_image_alone() -> None:
    assert np.flatnonzero(ranked().move.any(axis=1)).tolist() == [0]
    np.testing.assert_allclose(ranked().move[0], [-6, 4], atol=1)


def test_brief_features_of_images_that_it_does_not_know_change_nothing() -> None:
    whole, brief = ranked(), rank_candidates([look(row, row >= 6, brief=row >= 6) for row in range(9)])
    counts = (whole.image < 6) | (whole.row >= 0)
    assert 0 < counts.sum() < len(whole)
    for name in ("image", "row", "category", "seen"):
        np.testing.assert_array_equal(getattr(whole, name)[counts], getattr(brief, name))
    for name in ("odds", "probability", "type"):
        np.testing.assert_allclose(getattr(whole, name)[counts], getattr(brief, name), rtol=1e-9)
    np.testing.assert_allclose(whole.images(), brief.images())
    assert whole.held_out.mistake_type == brief.held_out.mistake_type


class Elsewhere(OracleModel):
    """It knows the clean labels of the first images, and sees things in other places in the others."""

    def predict(self, row: int) -> ImagePrediction:
        return super().predict(row) if row < 6 else page(row, elsewhere=True)[1]


def test_regions_are_looked_for_where_alike_images_vouch_for_one(tmp_path: Path) -> None:
    """The last two images are bright and not known; the sixth has a single label, which is wrong, among many cells."""
    clean, given = {}, {}
    for row in range(8):
        name, (cells, _) = f"{row}.png", page(row)
        masks = [cells.take(np.array([at])).categories().reshape(180, 130).T > 0 for at in range(len(cells))]
        clean[name] = given[name] = [(mask, "cell") for mask in masks]
        if row == 5:
            given[name] = [(~np.logical_or.reduce(masks) & (np.arange(180) < 9), "cell")]
        Image.fromarray(picture(row, row >= 6)[0]).save(tmp_path / name)
    result = flag(
        from_arrays(given, ["cell"], images=tmp_path),
        settings=Settings(jobs=1),
        predictions=Elsewhere(from_arrays(clean, ["cell"], images=tmp_path), errors=0.1),
    )
    assert result.unknown_images == ("6.png", "7.png")
    regions = result.parts[result.parts["segment"].isna()]
    assert (regions["image"] == "5.png").sum() > 10
    assert not regions["image"].isin(result.unknown_images).any()
    assert set(result.segments["image"]) == {f"{row}.png" for row in range(8)}


def test_where_it_knows_nothing_it_finds_nothing() -> None:
    result = ranked(9)
    assert not result.known_images.any()
    assert not len(candidates_above(result, category_trust(result, ["nothing", "cell"], np.zeros(2))))


LOOKS = st.lists(st.none() | st.lists(st.floats(-3, 3), min_size=2, max_size=2).map(np.array), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@any_of(LOOKS, st.data())
def test_means_over_images_that_are_alike_by_hand(looks: list[np.ndarray | None], data: st.DataObject) -> None:
    n = len(looks)
    unit = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    values, weight = np.arange(2.0 * n).reshape(n, 2), np.arange(n) + 1.0
    alike = ImageLikeness.from_appearance(looks, unit)
    support, mean = alike.means(values, weight)
    seen = [look for look in looks if look is not None]
    spread = np.maximum(np.std(seen, axis=0), 1e-6) if seen else 1
    for row, look in enumerate(looks):
        share = np.zeros(n)
        for other, beside in enumerate(looks):
            away = np.inf if look is None or beside is None else np.linalg.norm((look - beside) / spread)
            if unit[row] == unit[other]:
                away = 0.5 * (0 if np.isinf(away) else away)
            share[other] = np.exp(-0.5 * (away / (2 * alike.usual)) ** 2) * (other != row)
        assert support[row] == pytest.approx(share @ weight, rel=1e-4, abs=1e-9)
        if support[row] > 1e-6:
            np.testing.assert_allclose(mean[row], (share * weight) @ values / (share @ weight), rtol=1e-3, atol=1e-6)
