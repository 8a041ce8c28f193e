"""Draw: a gold set covers what can be covered, a pilot is random, and order changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.measure.measure import measure_source
from segdata.store.selection import Purpose, draw_images
from segdata.testing.pictures import PictureDataset, draw_picture
from segdata.testing.strategies import datasets


def tables_of(drawing: PictureDataset) -> Tables:
    return measure_source(drawing, frozenset(), jobs=1)


@settings(max_examples=25)
@given(datasets(), st.sampled_from(["gold", "pilot"]), st.data())
def test_n_images_whatever_their_order(
    made: tuple[Profile, list],
    purpose: Purpose,
    data: st.DataObject,  # type: ignore[type-arg]  # of batches
) -> None:
    together = concatenate_batches(made[1])
    n_images = together.images.num_rows
    if n_images == 0:
        return
    n = data.draw(st.integers(1, n_images))
    order = data.draw(st.permutations(range(n_images)))
    moved = concatenate_batches([together.take_images(np.array([row])) for row in order])
    found = [
        draw_images(tables_of(PictureDataset(made[0], each)), n, purpose=purpose, wanted=2)
        for each in (together, moved)
    ]
    assert found[0].images == found[1].images
    assert len(set(found[0].images)) == n
    assert (found[0].drawn <= found[0].segments).all()


def test_the_rare_category_is_in_a_gold_set() -> None:
    tables = tables_of(draw_picture("\n\n".join(["ab.\n.a."] * 9 + ["ac.\n..."] + ["ab.\n..."] * 9)))
    found = draw_images(tables, 2, wanted=2)
    assert "10.png" in found.images
    assert found.short == ("b", "c")
    assert dict(zip(found.categories, found.drawn.tolist(), strict=True)) == {"a": 2, "b": 1, "c": 1}


def test_a_segment_of_a_category_that_has_few_is_worth_more() -> None:
    tables = tables_of(draw_picture("a.c.d\n\nb....\n\na....\n\na, c, d: car\nb: bus"))
    assert draw_images(tables, 1, wanted=4).images == ("2.png",)


def test_what_is_drawn_is_no_longer_missing() -> None:
    """Either image of three cars is enough of them; then each bus is worth more than the other three cars."""
    tables = tables_of(draw_picture("a.c.d\n\na.c.d\n\nb....\n\nb....\n\na, c, d: car\nb: bus"))
    assert {"3.png", "4.png"} < set(draw_images(tables, 3, wanted=3).images)


def test_greedy_takes_fewer_images_than_chance() -> None:
    """Of 26 images with one letter each and one with all of them the latter alone covers everything."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tables = tables_of(draw_picture("\n\n".join([*letters, letters])))
    found = draw_images(tables, 1, wanted=1)
    assert (found.images, found.short) == (("27.png",), ())


def test_strata_give_their_shares() -> None:
    picture = "\n\n".join(["a\nsplit: train"] * 6 + ["a\nsplit: val"] * 3 + ["a"])
    found = draw_images(tables_of(draw_picture(picture)), 5, purpose="pilot", stratify="split")
    assert found.strata == (("train", 6, 3), ("val", 3, 1), ("(none)", 1, 1)) or found.strata == (
        ("train", 6, 3),
        ("val", 3, 2),
        ("(none)", 1, 0),
    )


def test_another_seed_draws_other_images() -> None:
    tables = tables_of(draw_picture("\n\n".join(["a"] * 40)))
    assert len({draw_images(tables, 5, purpose="pilot", seed=seed).images for seed in range(5)}) == 5


def test_what_cannot_be_is_said() -> None:
    tables = tables_of(draw_picture("a"))
    with pytest.raises(SegdataError, match="cannot draw 2 images from 1"):
        draw_images(tables, 2)
    with pytest.raises(SegdataError, match="cannot draw 0 images from 1"):
        draw_images(tables, 0)
    with pytest.raises(SegdataError, match="'camera'"):
        draw_images(tables, 1, stratify="camera")


@pytest.mark.parametrize("seed", range(20))
def test_a_draw_counts_what_it_has_and_what_there_is(seed: int) -> None:
    """Segments of each category, without crowds and void; strata give their shares, the largest rests one more."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 12))
    legend = "a, b: car\nc: bus\nd: road (stuff)\nv: haze (void)\ng: car (crowd)"
    picture = "\n\n".join("".join(rng.choice(list("abcdvg."), 5)) for _ in range(n))
    tables = tables_of(draw_picture(f"{picture}\n\n{legend}"))
    cameras = [[None, "left", "right", "rear"][int(rng.integers(4))] for _ in range(n)]
    cameras[0] = "left"
    tables = replace(tables, images=tables.images.beside(camera=np.array(cameras, object)))
    wanted, number = int(rng.integers(1, 4)), int(rng.integers(1, n + 1))
    purpose: Purpose = "gold" if seed % 2 else "pilot"
    found = draw_images(tables, number, purpose=purpose, stratify="camera", wanted=wanted, seed=seed)
    names = tables.images["image_id"].tolist()
    assert (len(found.images), found.of, found.wanted) == (number, n, wanted if purpose == "gold" else 0)
    assert list(found.images) == sorted(set(found.images) & {*names})
    count: dict[str, list[int]] = {}
    columns = (tables.segments[name].tolist() for name in ("image", "category_id", "iscrowd"))
    for image, category, crowd in zip(*columns, strict=True):
        name = tables.profile.name_of(category)
        if name != "haze" and not crowd:
            pair = count.setdefault(name, [0, 0])
            pair[0] += 1
            pair[1] += names[image] in found.images
    drawn = dict(zip(found.categories, zip(found.segments.tolist(), found.drawn.tolist(), strict=True), strict=True))
    assert drawn == {name: tuple(pair) for name, pair in count.items()}
    assert set(found.short) == {name for name, (_, have) in count.items() if have < found.wanted}
    strata = sorted({*cameras} - {None}, key=str) + ["(none)"] * (None in cameras)
    sizes = [sum((camera or "(none)") == name for camera in cameras) for name in strata]
    quota = [size * number // n for size in sizes]
    rest = sorted(range(len(strata)), key=lambda k: -(sizes[k] * number % n))[: number - sum(quota)]
    assert found.strata == tuple((name, sizes[k], quota[k] + (k in rest)) for k, name in enumerate(strata))
    assert repr(found) == f"ImageSample({number} of {n} images; {len(found.short)} categories are short)"
