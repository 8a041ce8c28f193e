"""Names of formats: short ones, in any case, wherever a format is named."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import find_format, format_names, formats

SHORT = {
    "coco": "coco-instances",
    "yolo": "yolo-seg",
    "yolov8": "yolo-seg",
    "YOLO11": "yolo-seg",
    "voc": "pascal-voc",
    "pascal": "pascal-voc",
    "PascalVOC": "pascal-voc",
    "masks": "colour-masks",
    "png": "colour-masks",
    "LabelMe": "labelme",
    "nnU-Net": "nnunet",
    "hf": "hugging-face",
}
WORDS = [(word, format_.name) for format_ in formats().values() for word in (format_.name, *format_.aliases)]


@pytest.mark.parametrize("word", SHORT)
def test_the_short_names_of_the_field_are_known(word: str) -> None:
    assert find_format(word).name == SHORT[word]


@given(st.sampled_from(WORDS), st.randoms(use_true_random=False), st.sampled_from(["", "-", "_", " ", "."]))
def test_case_and_punctuation_do_not_matter(word: tuple[str, str], random: object, mark: str) -> None:
    text = "".join(random.choice((letter.upper(), letter)) for letter in word[0])  # type: ignore[attr-defined]
    assert find_format(re.sub("[-_]", mark, text)).name == word[1]


def test_no_two_formats_share_a_name() -> None:
    plain = [re.sub("[^a-z0-9]", "", word) for word, _ in WORDS]
    assert sorted(plain) == sorted(set(plain))
    families = {format_.family for format_ in formats().values()} - {None}
    assert families <= {word for word, _ in WORDS}


def test_names_are_known_without_loading_formats() -> None:
    assert format_names() == list(formats())


def test_an_unknown_name_suggests_short_names_too() -> None:
    with pytest.raises(SegdataError, match=r"unknown format 'yolo_v'; did you mean 'yolo"):
        find_format("yolo_v")
    with pytest.raises(SegdataError, match=r"unknown format '---'; `segdata formats` lists all formats"):
        find_format("---")


def test_a_family_name_reads_the_member_that_fits(tmp_path: Path) -> None:
    """`--from coco` reads the results of a detector, which are COCO, too; and as ever what is COCO instances."""
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 6}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 4]], "iscrowd": 0}
    instances = tmp_path / "coco.json"
    instances.write_text(
        json.dumps({"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "car"}]})
    )
    assert segdata.read(instances, format="COCO").profile.format == "coco-instances"
    target = tmp_path / "panoptic"
    segdata.convert(instances, target, to="panoptic")
    assert segdata.read(target, format="coco").profile.format == "coco-panoptic"
    assert segdata.read(target, format="coco_panoptic").profile.format == "coco-panoptic"


def test_the_configuration_takes_short_names(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 6}
    document = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    (tmp_path / "segdata.yaml").write_text("format: COCO\n")
    assert segdata.read(tmp_path / "coco.json").profile.format == "coco-instances"
    (tmp_path / "segdata.yaml").write_text("format: cocoo\n")
    with pytest.raises(SegdataError, match=r"segdata\.yaml:1: unknown format 'cocoo'; did you mean 'coco'"):
        segdata.read(tmp_path / "coco.json")
