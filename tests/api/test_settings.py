"""A setting that cannot work is refused with the file, and the line, that has it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.config import Config, Layers
from segdata.core.errors import SegdataError, UnreadableError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("instance_ids: {divisor: 10, category: car}", "instance_ids: give one of divisor, category, table"),
        ("instance_ids: {divisor: 0}", "instance_ids: divisor is 0"),
        ("instance_ids: {category: bus}", "instance_ids: category 'bus' is not in the taxonomy"),
        ("instance_ids: {category: car, void: 7}", "instance_ids: void is 7"),
        ("layers: {pattern: '{stem}_{name}.png'}", "layers.pattern: {name} is none of"),
        ("layers: {pattern: '{category}.png'}", "layers.pattern '{category}.png': {stem} is needed"),
        ("layers: {pattern: '{stem}.png'}", "layers.pattern '{stem}.png' has no {category}"),
    ],
)
def test_the_message_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    Image.fromarray(np.eye(4, dtype=np.uint16)).save(tmp_path / "a.png")
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 1, name: car}]\n")
    (tmp_path / "segdata.yaml").write_text("# what a project decides\n" + text + "\n")
    with pytest.raises(UnreadableError) as beside:
        segdata.read(tmp_path)
    assert str(beside.value).startswith(f"{tmp_path / 'segdata.yaml'}:2: {words}")
    (tmp_path / "segdata.yaml").rename(tmp_path.parent / "other.yaml")
    with pytest.raises(UnreadableError) as named:
        segdata.read(tmp_path, config=tmp_path.parent / "other.yaml")
    assert str(named.value).startswith(f"{tmp_path.parent / 'other.yaml'}:2: {words}")


def test_a_setting_in_memory_has_no_file(tmp_path: Path) -> None:
    Image.fromarray(np.eye(4, dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableError, match=r"^layers\.pattern"):
        segdata.read(tmp_path, config=Config(layers=Layers("x.png")))


def test_a_format_that_the_folder_is_not_names_the_line_and_what_it_looks_like(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "sample_data" / "semantic", tmp_path / "street")
    (tmp_path / "street" / "segdata.yaml").write_text("coverage: exhaustive\nformat: coco-instances\n")
    message = r"segdata\.yaml:2: format: .*no COCO instances JSON.*; the folder looks like colour-masks"
    with pytest.raises(SegdataError, match=message):
        segdata.read(tmp_path / "street")
    with pytest.raises(SegdataError, match=r"^(?!.*segdata\.yaml).*it looks like colour-masks"):
        segdata.read(tmp_path / "street", format="coco")
