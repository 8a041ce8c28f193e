"""Losses: what is counted, and in how many images."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segdata.core.format import FileProbe, NameLimits, detect
from segdata.core.losses import AffectedItems, LossCounter
from segdata.formats import masks


def test_images_are_counted_once_however_often_they_come() -> None:
    losses = LossCounter()
    losses.add("rings", "segments", 2, 5, AffectedItems(["a: 1", "b: 1"], ["a", "b"]))
    losses.add("rings", "segments", 1, 2, AffectedItems(["b: 2"], ["b"]))
    (loss,) = losses.listed()
    assert (loss.count, loss.pixels, loss.images, loss.examples) == (3, 7, 2, ["a: 1", "b: 1", "b: 2"])
    assert str(loss) == "rings: 3 segments in 2 images, 7 px (e.g. a: 1, b: 1, b: 2)"


def test_of_images_the_count_is_theirs() -> None:
    losses = LossCounter()
    losses.add("image-details", "images", 2, examples=["a", "b"])
    (loss,) = losses.listed()
    assert (loss.images, str(loss)) == (2, "image-details: 2 images (e.g. a, b)")


def test_one_part_without_known_images_makes_all_unknown() -> None:
    losses = LossCounter()
    losses.add("rings", "segments", 1, examples=AffectedItems(["a: 1"], ["a"]))
    losses.add("rings", "segments", 1)
    losses.add("rings", "segments", 1, examples=AffectedItems(["b: 1"], ["b"]))
    (loss,) = losses.listed()
    assert (loss.count, loss.images) == (3, None)


def test_nothing_is_no_loss() -> None:
    losses = LossCounter()
    losses.add("rings", "segments", 0, examples=AffectedItems((), ()))
    assert losses.listed() == []


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1)))
def test_the_number_of_images_is_that_of_all_their_names(portions: list[list[str]]) -> None:
    losses = LossCounter()
    for names in portions:
        losses.add("score", "segments", len(names), examples=AffectedItems(names[:3], names))
    images = [loss.images for loss in losses.listed()]
    assert images == ([len({name for names in portions for name in names})] if portions else [])


def test_masks_are_probed_once_however_many_formats_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    probed, probe_images = [], masks._probe_image_files
    monkeypatch.setattr(masks, "_probe_image_files", lambda root: (probed.append(root), probe_images(root))[1])
    assert (detect(tmp_path), probed) == ("colour-masks", [tmp_path])


def test_many_folders_do_not_hide_what_lies_in_them(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"{number:03}" / "masks").mkdir(parents=True)
        (tmp_path / f"{number:03}" / "masks" / "1.png").touch()
    (tmp_path / "train.csv").touch()
    names = FileProbe(tmp_path).names
    assert {"train.csv", "000/masks/1.png", "399/masks/1.png"} <= set(names)


def test_a_name_without_the_extension_is_refused_in_words() -> None:
    limits = NameLimits(r"[\r\n]|(?<!\.png)$")
    assert limits.why_not("a.png") is None
    assert limits.why_not("a.jpg") == r"a name that fits '[\\r\\n]|(?<!\\.png)$'"
    assert limits.why_not("a\nb.png") == r"a name with '\n'"
