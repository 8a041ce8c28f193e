"""segdata.yaml: what it holds, where its paths lead, and errors with the nearest key."""

from pathlib import Path

import pytest

from segdata.core.config import CategoryGold, Config, load_config
from segdata.core.errors import SegdataError

EXAMPLE = """\
coverage: exhaustive
overlap: forbid
taxonomy: t.yaml
images: ../images
instance_ids: {table: values.csv, background: 0, void: 255}
layers: {pattern: "{stem}_{category}.png", threshold: 128}
select: [SEG]
ignore: [SEG118]
severity: {SEG106: error, SEG112: off}
rules: {SEG106: {min_pixels: 16}}
suppress: [{code: SEG102, image: "a/*.jpg", reason: "glass in front", until: 2027-01-31}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "segdata.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_configuration(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, EXAMPLE))
    assert config.taxonomy == str(tmp_path / "t.yaml")
    assert config.images == str(tmp_path / "../images")
    assert config.instance_ids is not None
    assert config.instance_ids.table == str(tmp_path / "values.csv")
    assert config.severity == {"SEG106": "error", "SEG112": "off"}
    assert config.suppress[0].until is not None


def test_an_empty_file_decides_nothing(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "# nothing\n")) == Config()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("coverge: exhaustive\n", 1, "unknown key 'coverge'; did you mean 'coverage'"),
        ("overlap: forbid\ncoverage: all\n", 2, "invalid"),
        ("layers:\n  patern: x\n  pattern: y\n", 2, "did you mean 'pattern'"),
        ("suppress:\n  - code: SEG101\n", 2, "missing required field `reason`"),
        ("rules: 3\n", 1, "expected `object`"),
        ("a: &a [1]\nb: *c\n", 2, "undefined alias"),
        ("\tselect: [SEG]\n", 1, "cannot start any token"),
    ],
)
def test_errors_name_file_line_and_key(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SegdataError, match=problem) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}:{line}:")


GOLD = """\
gold:
  name: anna
  metric: dice
  bar: 0.8
  each: 0.7
  tolerance_px: 3
  categories:
    car: {metric: nsd, bar: 0.9, tolerance_mm: 0.5}
    road: {tolerance_px: 1}
"""


def test_what_a_category_does_not_say_is_as_for_all(tmp_path: Path) -> None:
    gold = load_config(written(tmp_path, GOLD)).gold
    assert gold is not None
    assert (gold.name, gold.bar) == ("anna", 0.8)
    assert gold.for_category("car") == CategoryGold(metric="nsd", bar=0.9, tolerance_mm=0.5)
    assert gold.for_category("road") == CategoryGold(metric="dice", bar=0.7, tolerance_px=1)
    assert gold.for_category("sky") == CategoryGold(metric="dice", bar=0.7)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("gold:\n  nam: anna\n", 2, "unknown key 'nam'; did you mean 'name'"),
        ("gold:\n  bar: 0.5\n  categories:\n    car:\n      tolerence_px: 1\n", 5, "did you mean 'tolerance_px'"),
        ("gold:\n  tolerance_px: 0\n", 2, "> 0"),
        ("gold:\n  each: -1\n", 2, ">= 0"),
        ("gold:\n  bar: .nan\n", 2, "gold.bar"),
        ("gold:\n  name: ''\n", 2, "of length >= 1"),
    ],
)
def test_what_is_wrong_with_the_gold_standard_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SegdataError, match=problem) as error:
        load_config(path)
    assert f"{path}:{line}" in str(error.value)
