"""What is wrong in segdata.yaml, taxonomy.yaml or a map is said with its line, and the nearest word if there is one."""

from pathlib import Path

import pytest

from tests.bad_input.sound_datasets import Make, segdata

CONFIGS: list[tuple[str, int, str]] = [
    ("coverage:\n  road: exhaustive\n  car: full\n", 3, "one of: exhaustive, sparse (coverage.car)"),
    ("overlap: Forbid\n", 1, "one of: allow, forbid, same-category-forbid (overlap)"),
    ("format: 3\n", 1, "expected `str | null`, got `int` (format)"),
    ("taxonomy: [a]\n", 1, "got `array` (taxonomy)"),
    ("images: 3\n", 1, "got `int` (images)"),
    ("by: [camera]\n", 1, "got `array` (by)"),
    ("options:\n  a: 1\n  b: [1]\n", 3, "got `array` (options.b)"),
    ("options: {1: 2}\n", 1, "got `int` (a key of options)"),
    ("select:\n  - SEG1\n  - speckk\n", 3, "did you mean 'speck'"),
    ("select: [3]\n", 1, "expected `str`, got `int` (select[0])"),
    ("ignore: [SEG1,\n  nope]\n", 2, "no rule has the code or name 'nope'"),
    ("severity:\n  SEG1: error\n  SEG106: fatal\n", 3, "one of: error, info, warning, off (severity.SEG106)"),
    ("severity:\n  SEG1: error\n  pinhol: error\n", 3, "did you mean 'pinhole'"),
    ("rules:\n  SEG106:\n    min_pixels: 3\n    min_pixel: 4\n", 4, "did you mean 'min_pixels'"),
    ("rules:\n  SEG106:\n    max_share: .nan\n", 3, "must be a number from 0"),
    ("rules:\n  SEG106:\n    max_share: .inf\n", 3, "must be a number from 0"),
    ("rules:\n  SEG106:\n    min_pixels: -3\n", 3, "it is -3"),
    (f"rules:\n  SEG106:\n    min_pixels: {10**30}\n", 3, "must be a number from 0"),
    (f"rules:\n  SEG106:\n    min_pixels: 0x{'f' * 6000}\n", 3, "too many digits"),
    ("rules:\n  SEG1:\n    min_pixels: 3\n    nope: 3\n", 4, "no rule of 'SEG1' has an option 'nope'"),
    ("rules:\n  SEG106: {}\n  nope: {}\n", 3, "no rule has the code or name 'nope'"),
    ("overrides:\n  - {image: a}\n  - {images: b}\n", 3, "unknown key 'images'; did you mean 'image'?"),
    ("overrides:\n  - image: a\n    ignore:\n      - SEG1\n      - nope\n", 5, "no rule has"),
    ("overrides:\n  - image: a\n    severity:\n      SEG1: info\n      SEG2: bad\n", 5, "severity.SEG2"),
    ("overrides:\n  - image: a\n    severity:\n      nope: error\n", 4, "no rule has"),
    ("suppress:\n  - {code: SEG1, reason: x}\n  - {code: nope, reason: y}\n", 3, "no rule has"),
    ("suppress:\n  - {code: SEG1, reason: x, until: tomorrow}\n", 2, "not a date; write dates as 2027-01-31"),
    ("suppress:\n  - {code: SEG1, reason: x, unti: 2027-01-31}\n", 2, "did you mean 'until'"),
    ("sequences: {pattern: '{frame}.png', kind: film}\n", 1, "one of: video, volume"),
    ("instance_ids: {divisr: 1}\n", 1, "did you mean 'divisor'"),
    ("layers: {patern: x}\n", 1, "did you mean 'pattern'"),
    ("layers:\n  pattern: '{stem}.png'\n  threshold: -3\n", 3, "expected `int` >= 1 (layers.threshold)"),
    ("layers:\n  pattern: '{stem}.png'\n  threshold: 70000\n", 3, "expected `int` <= 65535 (layers.threshold)"),
    ("layers: {pattern: '{stem}.png', threshold: half}\n", 1, "expected `int | null`, got `str` (layers.threshold)"),
    ("overlap: allow\nformat: ''\n", 2, "expected `str` of length >= 1 (format)"),
    ("images: ''\n", 1, "of length >= 1 (images)"),
    ("taxonomy: ''\n", 1, "of length >= 1 (taxonomy)"),
    ("by: ''\n", 1, "of length >= 1 (by)"),
    ("instance_ids: {table: ''}\n", 1, "of length >= 1 (instance_ids.table)"),
    ("overrides:\n  - image: a\n  - image: ''\n", 3, "of length >= 1 (overrides[1].image)"),
    ("suppress:\n  - {code: SEG1, reason: ''}\n", 2, "of length >= 1 (suppress[0].reason)"),
    ("overlap: allow\nformat: qqq\n", 2, "unknown format 'qqq'; `segdata formats` lists"),
    ("format: color-mask\n", 1, "did you mean 'color-masks'?"),
    ("\nimages: nowhere\n", 2, "nowhere: no such folder of images"),
    ("\ntaxonomy: nowhere.yaml\n", 2, "nowhere.yaml: no such file"),
    ("overlap: allow\noptions:\n  nope: 1\n", 3, "colour-masks has no read option 'nope'"),
    ("\nsequences:\n  pattern: x\n", 2, "needs {frame} once"),
    ("coverage:\n  road: exhaustive\n  rode: sparse\n", 3, "no category 'rode'; did you mean 'road'?"),
    ("overrides:\n  - {ignore: [SEG1]}\n  - ignore: [SEG1]\n    category: rode\n", 4, "did you mean 'road'?"),
    ("overrides:\n  - {ignore: [SEG1]}\n  - image: b\n", 3, "overrides, entry 2: changes nothing"),
    ("suppress:\n  - {code: SEG1, category: rode, reason: x}\n", 2, "suppress: the dataset has no category 'rode'"),
    ("\nby: \x07\n", 2, "unacceptable character #x0007"),
    ("gold:\n  metric: iou\n  bar: 3\n", 3, "gold.bar: iou is at most 1, a bar of 3 cannot be reached"),
    ("gold:\n  categories:\n    car: {metrik: iou}\n", 3, "did you mean 'metric'"),
    ("null\n", 1, "expected `object`, got `null`"),
]
TAXONOMIES: list[tuple[str, int, str]] = [
    ("  - {id: 1, name: a, expected: {least_share: 2}}\n", 2, "`float` <= 1.0"),
    ("  - {id: 1, name: a, expected: {least_share: .nan}}\n", 2, "least_share"),
    ("  - {id: 1, name: a, expected: {whenever: car}}\n", 2, "expected `array`, got `str`"),
    ("  - {id: 1, name: a, size: {min_pixels: -1}}\n", 2, "`int` >= 0"),
    ("  - {id: 1, name: a, size: {min_pixel: 1}}\n", 2, "did you mean 'min_pixels'"),
    ("  - {id: 1, name: a, may_not_touch: car}\n", 2, "may_not_touch"),
    ("  - {id: 1, name: a, also: [3]}\n", 2, "also[0]"),
    ("  - {id: 1, name: a, kind: Thing}\n", 2, "one of: stuff, thing, void"),
    ("  - {id: 1, name: a}\nmax_void: {image: -1}\n", 3, "max_void.image"),
    ("  - {id: 1, name: a}\ngroups:\n  a: null\n  b: 3\n", 5, "groups.b"),
]
MAPS: list[tuple[str, str]] = [
    ("categories:\n  rode: street\n", "did you mean 'road'"),
    ("categories:\n  road: [a, b]\n", "road (a or b)"),
    ("categories:\n  road: {a: b}\n", ":2: expected `str | array | null`, got `object`"),
    ("categores: {}\n", ":1: unknown key 'categores'; did you mean 'categories'?"),
    ("taxonomy: nowhere.yaml\ncategories: {}\n", "nowhere.yaml: cannot be read"),
    ("\tcategories: {}\n", ":1: found character"),
]


@pytest.mark.parametrize(("text", "line", "words"), CONFIGS)
def test_segdata_yaml(make: Make, tmp_path: Path, text: str, line: int, words: str) -> None:
    """The file is named as it is called, be it beside the data or not."""
    root = make("colour-masks")
    (tmp_path / "own.yaml").write_text(text)
    for command in ("validate", "info"):
        said = segdata(command, root, "--config", tmp_path / "own.yaml")
        assert (said.code, said.out) == (2, "")
        assert f"own.yaml:{line}: " in said.err
        assert words in said.err


@pytest.mark.parametrize(("format", "alias"), [("colour-masks", "color-masks"), ("coco-instances", "coco")])
def test_the_format_may_be_an_alias(make: Make, tmp_path: Path, format: str, alias: str) -> None:
    root = make(format)
    (tmp_path / "own.yaml").write_text(f"format: {alias}\n")
    said = segdata("validate", root, "--config", tmp_path / "own.yaml")
    assert (said.code, said.out.splitlines()[1].split(",")[0]) == (0, format)


@pytest.mark.parametrize(("text", "line", "words"), TAXONOMIES)
def test_taxonomy_yaml(make: Make, text: str, line: int, words: str) -> None:
    root = make("colour-masks")
    (root / "taxonomy.yaml").write_text("categories:\n" + text)
    said = segdata("validate", root)
    assert said.code == 2
    assert f"taxonomy.yaml:{line}: " in said.err
    assert words in said.err


@pytest.mark.parametrize(("text", "words"), MAPS)
def test_a_taxonomy_map(make: Make, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    said = segdata("convert", make("colour-masks"), tmp_path / "new", "--taxonomy-map", tmp_path / "map.yaml")
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "new").exists()


def test_files_that_are_none(make: Make, tmp_path: Path) -> None:
    root = make("colour-masks")
    (tmp_path / "latin").write_bytes("by: süd\n".encode("latin-1"))
    for option in ("--config", "--taxonomy"):
        for given, words in (
            (tmp_path, "Is a directory"),
            (tmp_path / "no", "No such file"),
            (tmp_path / "latin", "UTF-8"),
        ):
            said = segdata("validate", root, option, given)
            assert said.code == 2
            assert str(given) in said.err
            assert words in said.err


def test_an_empty_configuration_decides_nothing(make: Make) -> None:
    root = make("colour-masks")
    before = segdata("validate", root, "--format", "json")
    (root / "segdata.yaml").write_text("# nothing\n")
    assert segdata("validate", root, "--format", "json").out == before.out


def test_a_column_that_no_image_has(make: Make) -> None:
    said = segdata("validate", make("colour-masks"), "--group-by", "camera")
    assert (said.code, "available: folder, size" in said.err) == (2, True)
