"""Broken YAML: one line on stderr that names file and line, exit code 2, and nothing is measured."""

from pathlib import Path

import pytest

from tests.bad_input.sound_datasets import TAXONOMY, Make, segdata

LETTERS = "abcdefghijkl"
# Each list holds the one before it nine times: little text, and more items than any memory holds.
PIECES = ["&a [x, x, x, x, x, x, x, x, x]"]
PIECES += [f"&{LETTERS[k]} [{', '.join(['*' + LETTERS[k - 1]] * 9)}]" for k in range(1, 12)]
FOLDS = f"[{', '.join(PIECES)}]"
SEGDATA: list[tuple[str, int, str]] = [
    ("coverage: sparse\noverlpa: forbid\n", 2, "did you mean 'overlap'"),
    ("- 1\n", 1, "expected `object`"),
    ("\noverlap: maybe\n", 2, "invalid enum value 'maybe'"),
    ("overlap: forbid\noverlap: allow\n", 2, "repeated"),
    ("overlap: forbid\n---\noverlap: allow\n", 2, "another document"),
    ("select: SEG\n", 1, "expected `array`"),
    ("select:\n\t- SEG\n", 2, "cannot start any token"),
    ("select: !!python/object/apply:os.system [ls]\n", 1, "could not determine a constructor"),
    ("select: &a [*a]\n", 1, "expected `str`"),
    ("severity: {SEG106: fatal}\n", 1, "invalid enum value 'fatal'"),
    ("suppress:\n  - {code: SEG1, reason: x, until: 2027-13-45}\n", 2, "month must be in 1..12"),
    ("suppress:\n  - {code: SEG1, reason: x, until: 2027-01-31 99:99:99}\n", 2, "hour must be in 0..23"),
    ("suppress:\n  - {code: SEG1}\n", 2, "missing required field `reason`"),
    (f"rules: {{SEG106: {{min_pixels: {'9' * 6000}}}}}\n", 1, "integer string conversion"),
    (f"laughs: {FOLDS}\n", 1, "unknown key"),
    (f"select: {FOLDS}\n", 1, "expected `str`"),
]
TAXONOMIES: list[tuple[str, int, str]] = [
    ("", 1, "no categories"),
    ("categories:\n", 1, "got `null`"),
    ("categories:\n  - {id: 1}\n", 2, "missing required field `name`"),
    ("categories:\n  - {id: x, name: a}\n", 2, "expected `int`"),
    ("categories:\n  - {id: 99999999999999999999, name: a}\n", 2, "expected `int`"),
    ("categories:\n  - {id: 1, name: a, color: [1, 2]}\n", 2, "not three values"),
    ("categories:\n  - id: 1\n    name: a\n    color: #00008e\n", 4, "quote it"),
    ("categories:\n  - {id: 1, name: a}\nunlabelled: black\n", 3, "not [r, g, b]"),
    ("categories:\n  - {id: 1, name: a, colour: red}\n", 2, "did you mean 'color'"),
    ("categories: &a [*a]\n", 1, "expected `object`"),
    ("categories: [\n", 2, "expected the node content"),
]
DATASETS: list[tuple[str, str, str]] = [
    ("segdata: 1", "segdata: 99", "newer than this segdata"),
    ("revision: r0001", "revision: ../../etc", "they are called r0001"),
    ("revision: r0001", "revision: ''", "they are called r0001"),
    ("revision: r0001", "revision: r0009", "no folder"),
    ("task: semantic", "task: nothing", ":3: invalid enum value"),
    ("overlap: {value: forbid", "overlap: {value: sparse", "'forbid', 'allow' or 'same-category-forbid'"),
    ("overlap: {value: forbid", "overlap: {value: {car: sparse}", "'forbid', 'allow' or 'same-category-forbid'"),
    ("coverage: {value: exhaustive", "coverage: {value: allow", "'exhaustive' or 'sparse'"),
    ("segdata: 1", "segdata: 1\nsegdata: 1", ":2: key 'segdata' is repeated"),
]


def refused(root: Path, file: Path, words: str) -> None:
    """Every command refuses, naming the file, and `convert` writes nothing."""
    for command in (["validate", root], ["info", root], ["convert", root, root.parent / "new"]):
        said = segdata(*command)
        assert (said.code, said.out) == (2, "")
        assert str(file) in said.err or file.name in said.err
        assert words in said.err
    assert not (root.parent / "new").exists()


@pytest.mark.parametrize(("text", "line", "words"), SEGDATA)
def test_segdata_yaml(make: Make, text: str, line: int, words: str) -> None:
    root = make("colour-masks")
    (root / "segdata.yaml").write_text(text)
    refused(root, Path(f"segdata.yaml:{line}:"), words)


@pytest.mark.parametrize(("text", "line", "words"), TAXONOMIES)
def test_taxonomy_yaml(make: Make, text: str, line: int, words: str) -> None:
    root = make("colour-masks")
    (root / "taxonomy.yaml").write_text(text)
    refused(root, Path(f"taxonomy.yaml:{line}:"), words)


@pytest.mark.parametrize(("sound", "broken", "words"), DATASETS)
def test_dataset_yaml(make: Make, sound: str, broken: str, words: str) -> None:
    root = make("canonical")
    path = root / "dataset.yaml"
    assert sound in path.read_text()
    path.write_text(path.read_text().replace(sound, broken))
    refused(root, Path("dataset.yaml"), words)


def test_yaml_that_is_nested_too_deeply(make: Make) -> None:
    root = make("colour-masks")
    (root / "segdata.yaml").write_text("select: " + "[" * 1_200)
    refused(root, root / "segdata.yaml", "nested too deeply")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("{min_pixels: many}", "min_pixels must be a value like"),
        ("{min_pixel: 5}", "did you mean 'min_pixels'"),
        ("{max_share: [1]}", "max_share must be a value like"),
        ("{min_pixels: null}", "min_pixels must be a value like"),
        ("5", "expected `object`"),
        (f"{{min_pixels: {FOLDS}}}", "min_pixels must be a value like"),
    ],
)
def test_options_of_rules(make: Make, options: str, words: str) -> None:
    root = make("colour-masks")
    (root / "segdata.yaml").write_text(f"rules:\n  SEG106: {options}\n")
    said = segdata("validate", root)
    assert said.code == 2
    assert words in said.err
    assert len(said.err) < 1000


@pytest.mark.parametrize("words", [("--select", "SEG999"), ("--ignore", "nope"), ("--select", "")])
def test_unknown_codes(make: Make, words: tuple[str, ...]) -> None:
    said = segdata("validate", make("colour-masks"), *words)
    assert said.code == (2 if words[1] else 0)


def test_a_list_of_unknown_images(make: Make, tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("a.png\nbb.png\n")
    said = segdata("validate", make("colour-masks"), "--list", names)
    assert (said.code, "'bb.png'" in said.err, "did you mean 'b.png'" in said.err) == (2, True, True)


def test_many_categories_are_read_quickly(make: Make) -> None:
    """The lines of errors are looked up in one tree, not in one tree for each category."""
    root = make("colour-masks")
    more = "".join(f"  - {{id: {k}, name: category {k}}}\n" for k in range(3, 1500))
    (root / "taxonomy.yaml").write_text(TAXONOMY + more)
    assert segdata("info", root).code == 0
