import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.api.in_memory import from_arrays
from segdata.core.image_files import ChannelArray
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from segdata.noise.networks.crops import (
    CropChoice,
    CropLabels,
    SegmentCentres,
    choose_crops,
    make_crops,
    paint_segments,
)
from segdata.noise.networks.images import ImageCache
from segdata.noise.networks.plan import DataFacts, Settings, TrainingPlan, plan_for

CPU = torch.device("cpu")
TAXONOMY = Taxonomy(
    categories=(Category(id=1, name="a"), Category(id=2, name="b"), Category(id=9, name="v", kind="void"))
)
MASKS = st.lists(st.tuples(arrays(bool, (9, 11)).filter(np.any), st.sampled_from([1, 2, 9])), min_size=1, max_size=4)


def plan_of(crop: int, *, rotate: bool = False) -> TrainingPlan:
    asked = Settings(crop=crop, rotate=rotate)
    return plan_for(DataFacts(1, 1, 64, 64, (64, 64), 1, 2, True, None, 1, "cpu", 2**32), asked, 2**28)


def still(x: int, y: int) -> CropChoice:
    one, nothing = np.ones(1, np.float32), np.zeros(1, np.float32)
    at = (np.array([each], np.int64) for each in (0, x, y))
    return CropChoice(*at, one, nothing, np.zeros(1, bool), one, nothing)


@settings(max_examples=40)
@given(MASKS, st.integers(0, 10), st.integers(0, 8))
def test_crops_are_pieces_of_the_labels_the_smallest_on_top_and_void_above_all(
    masks: list[tuple[np.ndarray, int]], x: int, y: int
) -> None:
    maps = from_arrays({"i": masks}, TAXONOMY, images=None).maps()
    labels = CropLabels(maps, np.array([1, 2]), np.array([True, False]))
    pictures = ImageCache(maps, 2**20, lambda uri, size: np.zeros((1, *size), np.uint8))
    maps.uris[0:] = ["i"]  # type: ignore[index]  # a list
    choice, plan = still(x, y), plan_of(32)
    windows = labels.windows(choice, pictures, plan, vary=False)
    _, wanted = make_crops(windows, choice, plan, CPU)
    top, channel = np.zeros((2, 9, 11), int)
    for at, (mask, id_) in enumerate(sorted(masks, key=lambda item: (item[1] == 9, -item[0].sum())), 1):
        top[mask], channel[mask] = at, -1 if id_ == 9 else id_
    whole = np.full((9 + 64, 11 + 64), -1)
    whole[32 : 32 + 9, 32 : 32 + 11] = channel
    np.testing.assert_array_equal(wanted.categories[0], whole[y + 16 : y + 48, x + 16 : x + 48])
    number = paint_segments(windows, CPU)[0].numpy()
    of_image = number[16 - y : 25 - y, 16 - x : 27 - x] if x <= 16 and y <= 16 else number[:0]
    np.testing.assert_array_equal(of_image, top[: len(of_image)])


def two_halves() -> tuple[CropLabels, ImageCache, SegmentCentres]:
    """An image whose right half is labelled and bright, and lower half less so, so that it shows its own labels."""
    mask = np.zeros((64, 64), bool)
    mask[8:56, 32:60] = True
    dataset = from_arrays({"i.png": [(mask, 1)]}, TAXONOMY)
    maps = dataset.maps()
    maps.uris[0:] = ["i"]  # type: ignore[index]  # a list

    def load(uri: str, size: tuple[int, int]) -> ChannelArray:
        return np.where(mask, 200, 40).astype(np.uint8)[None]

    return (
        CropLabels(maps, np.array([1, 2]), np.array([True, True])),
        ImageCache(maps, 2**20, load),
        SegmentCentres.from_tables(measure_source(dataset.source, frozenset())),
    )


@pytest.mark.parametrize("seed", range(3))
def test_labels_follow_their_image_when_it_is_varied(seed: int) -> None:
    labels, pictures, places = two_halves()
    plan = plan_of(32, rotate=True)
    choice = choose_crops(np.random.default_rng(seed), np.zeros(1, np.int64), places, labels.maps, plan, 16)
    assert len(set(choice.turn.round(3).tolist())) == 16
    images, wanted = make_crops(labels.windows(choice, pictures, plan, vary=True), choice, plan, CPU)
    contrast, brightness = (torch.from_numpy(each)[:, None, None] for each in (choice.contrast, choice.brightness))
    plain = (images[:, 0] - 0.5 - brightness) / contrast + 0.5
    known = wanted.categories >= 0
    assert ((plain > 0.5) == (wanted.categories == 1))[known].float().mean() > 0.98
    assert known.float().mean() > 0.7
    assert (wanted.categories == 1).any()


def test_a_batch_is_its_seed() -> None:
    labels, _, places = two_halves()
    a, b, c = (
        choose_crops(np.random.default_rng(seed), np.zeros(1, np.int64), places, labels.maps, plan_of(32), 4)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(a.turn, b.turn)
    assert not np.array_equal(a.turn, c.turn)


def test_rare_categories_are_in_half_of_the_crops() -> None:
    masks = [(np.zeros((64, 64), bool), 1), (np.zeros((64, 64), bool), 2)]
    masks[0][0][:, :60], masks[1][0][1:3, 62:] = True, True
    many = {f"{at:03d}": masks[:1] for at in range(99)} | {"rare": masks}
    dataset = from_arrays(many, TAXONOMY)
    places = SegmentCentres.from_tables(measure_source(dataset.source, frozenset()))
    chosen = choose_crops(np.random.default_rng(0), np.arange(100), places, dataset.maps(), plan_of(32), 400)
    assert 60 < (chosen.image == dataset.image_ids.index("rare")).sum() < 160


def test_an_image_that_cannot_be_read_teaches_nothing() -> None:
    labels, _, _ = two_halves()

    def load(uri: str, size: tuple[int, int]) -> ChannelArray:
        raise OSError("truncated")

    pictures = ImageCache(labels.maps, 2**20, load)
    plan = plan_of(32)
    images, wanted = make_crops(labels.windows(still(20, 20), pictures, plan, vary=False), still(20, 20), plan, CPU)
    assert images.isfinite().all()
    assert (wanted.categories == -1).all()
    assert [each.code for each in pictures.defects] == ["SEG001"]
