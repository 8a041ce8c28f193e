"""Copying: planted copies are found, cost no honest pair its name, and are one vote."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import segdata
from segdata.agreement.annotator_bias import vote_array
from segdata.agreement.copying import IdenticalWork
from segdata.agreement.summary import Agreement
from segdata.core.config import Config, Gold
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.report.agreement.conclusions import conclusions
from segdata.report.agreement.tables import copied_pairs

Discs = list[tuple[NDArray[np.bool_], str]]
N_IMAGES = 10


def disc(place: int, wide: float = 9.0, right: int = 0) -> NDArray[np.bool_]:
    """A disc in one of 6 places of an image that do not touch."""
    y, x = np.mgrid[:60, :90]
    return (x - 15 - 30 * (place % 3) - right) ** 2 + (y - 15 - 30 * (place // 3)) ** 2 <= wide**2


def hand(seed: int, n_images: int = N_IMAGES, n: int = 6) -> list[Discs]:
    """What somebody draws for themselves: no disc twice the same."""
    rng = np.random.default_rng(seed)
    return [
        [(disc(k, rng.uniform(7.0, 11.0), int(rng.integers(-2, 3))), "cell") for k in range(n)] for _ in range(n_images)
    ]


def cells(images: list[Discs]) -> OpenDataset:
    return segdata.from_arrays({f"{k}.png": each for k, each in enumerate(images)}, ["cell"])


def agreed(who: dict[str, list[Discs]], *models: str, **options: str) -> Agreement:
    return segdata.agree(
        {name: cells(images) for name, images in who.items()}, models=models, resamples=100, jobs=1, **options
    )


def pair(found: Agreement, a: str, b: str) -> IdenticalWork:
    return next(work for work in found.identical if {work.a, work.b} == {a, b})


def told(found: Agreement) -> list[Finding]:
    return [each for each in found.findings if each.code == "SEG414"]


@settings(max_examples=5)
@given(st.integers(0, N_IMAGES), st.integers(0, 99))
def test_the_share_of_copied_images_is_found(copied: int, seed: int) -> None:
    """The share is what was planted, and with more than half of the images it stands."""
    ben = hand(seed + 1)
    found = agreed({"anna": hand(seed), "ben": ben, "carl": ben[:copied] + hand(seed + 2)[copied:]})
    work = pair(found, "ben", "carl")
    assert work.identical.value == pytest.approx(copied / N_IMAGES, abs=0.05)
    assert work.alike.value >= work.identical.value
    assert work.stands or copied <= N_IMAGES / 2  # at half of ten images the interval begins at 0.13
    assert not work.stands or copied > 0
    assert [each.stands for each in found.identical].count(True) <= 1
    assert work.one_voice == (copied if work.stands else 0)


@pytest.mark.parametrize("others", [(), ("carl",)])
def test_a_copy_of_the_reference_does_not_pass(others: tuple[str, ...]) -> None:
    """A bar that is reached with gold's own segments says nothing; who drew is held against it as ever."""
    who = {"gold": hand(0), "ben": hand(0)} | {name: hand(3 + k) for k, name in enumerate(others)}
    drawn = {name: cells(images) for name, images in who.items()}
    for bar, below in ((0.5, ["ben"]), (0.99, ["ben", *others])):
        drawn["gold"] = replace(drawn["gold"], config=Config(gold=Gold(name="gold", bar=bar)))
        found = segdata.agree(drawn, resamples=100, jobs=1, select="SEG407").findings
        assert [each.annotator for each in found] == below
        assert found[0].message.startswith(f"ben: 100% of the segments are gold's own, so the bar of {bar:.2f} says no")


def test_who_copied_is_no_second_vote() -> None:
    """Two copies do not outvote two who drew, and are not the best pair."""
    ben = [images[:3] for images in hand(1)]  # ben misses half of what is there, and carl has ben's work
    found = agreed({"anna": hand(0), "ben": ben, "carl": ben, "dora": hand(3)})
    assert {(work.a, work.b) for work in copied_pairs(found)} == {("ben", "carl")}
    assert len(told(found)) == 1
    tables = found.run.tables  # type: ignore[attr-defined]  # the result of `agree`
    assert tables.annotator_pairs.voices.sum(axis=0).tolist() == [N_IMAGES, N_IMAGES, 0, N_IMAGES]
    votes = vote_array(tables.annotator_pairs)
    assert (votes[:, 2] == -2).all()
    (person,) = (each for each in conclusions(found, tables) if each.topic == "person" and each.annotator == "ben")
    assert f"carl has the same work in {N_IMAGES} images, so this may be the habit of either." in person.details
    bias = {each.annotator: each for each in found.annotator_bias}
    assert "missed" in bias["ben"].found  # against carl's votes anna and dora would add what ben lacks
    assert not bias["anna"].found
    said = " ".join(f"{each.head} {each.details}" for each in conclusions(found, tables))
    assert "ben and carl: 100% [" in said
    assert "Best: ben and carl" not in said
    assert "Not ranked, since their work is the same: ben and carl" in said
    independent = agreed({"anna": hand(0), "ben": ben, "dora": hand(3)})
    assert found.overall.iou.value == pytest.approx(independent.overall.iou.value)
    assert found.overall.alpha.value == pytest.approx(independent.overall.alpha.value)


def test_copies_that_were_touched_up_are_found() -> None:
    """A tenth of the discs was drawn again; the others have one pixel more."""
    ben, rng = hand(1), np.random.default_rng(5)
    carl: list[Discs] = []
    for image in ben:
        touched: Discs = []
        for k, (mask, name) in enumerate(image):
            other = mask.copy()
            y, x = np.argwhere(mask)[0]
            other[y - 1, x] = True
            touched.append((disc(k, 8.0) if rng.random() < 0.1 else other, name))
        carl.append(touched)
    work = pair(agreed({"anna": hand(0), "ben": ben, "carl": carl}), "ben", "carl")
    assert work.identical.value < 0.1
    assert work.alike.value > 0.8
    assert work.stands


def test_what_two_left_as_a_model_had_it_is_no_copying() -> None:
    """Both began with the model's segments and left two thirds of them as they were."""
    model = hand(0)
    anna = [[*image[:4], *own[4:]] for image, own in zip(model, hand(1), strict=True)]
    ben = [[*image[:4], *own[4:]] for image, own in zip(model, hand(2), strict=True)]
    found = agreed({"anna": anna, "ben": ben, "carl": hand(3), "model": model}, "model")
    assert not copied_pairs(found)
    assert pair(found, "anna", "model").stands
    assert pair(found, "anna", "ben").identical.value == 0
    assert found.run.tables.annotator_pairs.voices.sum(axis=0).tolist() == [N_IMAGES] * 3 + [0]  # type: ignore[attr-defined]


def test_a_draft_that_all_kept_names_nobody() -> None:
    """Without the model nobody stands out; the report says that all began with the same labels."""
    draft = hand(0)
    people = {
        name: [[*image[:5], *own[5:]] for image, own in zip(draft, hand(k), strict=True)]
        for k, name in enumerate(("anna", "ben", "carl"), 1)
    }
    found = agreed(people)
    assert not told(found)
    heads = [each.head for each in conclusions(found, found.run.tables)]  # type: ignore[attr-defined]
    assert any(head.startswith("All annotators share their segments: 83%") for head in heads)


def test_boxes_specks_and_empty_images_say_nothing() -> None:
    """Rectangles and things of few pixels are drawn alike by chance, and nothing is nothing."""
    box, speck = np.zeros((60, 90), bool), np.zeros((60, 90), bool)
    box[10:30, 10:40] = True
    speck[50:54, 60:63] = True
    speck[51, 64] = True
    alike: list[Discs] = [[(box, "cell"), (speck, "cell")]] * 9 + [[]] * 9
    found = agreed({"anna": alike, "ben": alike, "carl": alike})
    assert found.identical == ()
    assert not told(found)


def test_the_reference_keeps_its_voice() -> None:
    gold = hand(0)
    found = agreed({"anna": gold, "ben": hand(1), "gold": gold}, gold="gold")
    assert pair(found, "anna", "gold").stands
    assert found.run.tables.annotator_pairs.voices.sum(axis=0).tolist() == [0, N_IMAGES, N_IMAGES]  # type: ignore[attr-defined]


def test_two_passes_of_one_person_are_no_copies() -> None:
    own = hand(0)
    one, two = (
        segdata.from_arrays({f"{k}.png": each for k, each in enumerate(images)}, ["cell"]) for images in (own, hand(1))
    )
    found = segdata.agree([("anna", one), ("anna", one), ("ben", two)], resamples=100, jobs=1)
    assert not told(found)
    assert {(work.a, work.b) for work in found.identical} == {("anna", "ben"), ("anna (2)", "ben")}


def test_in_a_consensus_two_copies_are_one_vote(tmp_path: Path) -> None:
    """Two who left half out, one with the other's work, are outvoted by two who drew; and so where each is judged."""
    ben = [[(np.roll(mask, 1, 0), name) for mask, name in images[:3]] for images in hand(0)]
    dora = [[(np.roll(mask, 1, 1), name) for mask, name in images] for images in hand(0)]
    people = {"anna": hand(0), "ben": ben, "carl": ben, "dora": dora}
    drawn = {
        name: segdata.from_arrays({f"{k}.png": each for k, each in enumerate(images)}, ["cell"])
        for name, images in people.items()
    }
    made = segdata.consensus(drawn, tmp_path / "agreed", resamples=100, jobs=1)
    assert [(work.a, work.b, work.one_voice) for work in made.identical if work.stands] == [("ben", "carl", N_IMAGES)]
    assert made.segments == 6 * N_IMAGES  # anna and dora have all six, of three who count
    assert (made.rejected, made.disputed) == (0, 0)
    assert made.annotators == ("anna", "ben", "dora")
    of_ben = next(each for each in made.against_others if each.annotator == "ben")
    assert of_ben.missed_things.value == pytest.approx(0.5)  # against anna and dora alone: carl is ben
    two = {name: drawn[name] for name in ("ben", "carl")}
    assert segdata.consensus(two, tmp_path / "two", leave_one_out=False).segments == 3 * N_IMAGES


def class_masks(images: list[Discs]) -> OpenDataset:
    """All discs of an image as one class mask."""
    masks = {f"{k}.png": np.any([mask for mask, _ in discs], axis=0).astype(np.uint8) for k, discs in enumerate(images)}
    return segdata.from_arrays(masks, ["cell"])


@pytest.mark.parametrize("copied", [0, 3, 6])
def test_single_objects_that_were_copied_into_a_class_mask_are_found(copied: int) -> None:
    """Half of the discs of every image are another's: no mask is the same, and the parts are."""
    ben = hand(1)
    carl = [theirs[:copied] + own[copied:] for theirs, own in zip(ben, hand(2), strict=True)]
    found = segdata.agree(
        {name: class_masks(work) for name, work in {"anna": hand(0), "ben": ben, "carl": carl}.items()},
        resamples=100,
        jobs=1,
    )
    work = pair(found, "ben", "carl")
    assert work.segments == 6 * N_IMAGES
    assert work.identical.value == pytest.approx(copied / 6, abs=0.02)
    assert [(each.a, each.b) for each in found.identical if each.stands] == ([("ben", "carl")] if copied else [])


def test_copies_in_class_masks_are_one_vote_of_a_consensus() -> None:
    """Where nobody compares outlines, too."""
    from segdata.agreement.consensus_dataset import find_copied_annotations
    from segdata.agreement.estimates import Resampling
    from segdata.agreement.panel import PanelMember, build_panel

    ben = hand(1)
    carl = [theirs[:3] + own[3:] for theirs, own in zip(ben, hand(2), strict=True)]
    drawn = {"anna": hand(0), "ben": ben, "carl": carl}
    panel = build_panel([PanelMember(class_masks(work), name) for name, work in drawn.items()])
    works = find_copied_annotations(panel, Resampling(n_draws=100)).identical
    assert {(work.a, work.b): round(work.identical.value, 2) for work in works} == {
        ("anna", "ben"): 0.0,
        ("anna", "carl"): 0.0,
        ("ben", "carl"): 0.5,
    }
