"""Caching: what is known from before is exactly what would be measured again, and never of something else."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.api.read import read
from segdata.api.validate import dataset_tables, validate
from segdata.core.batch import Batch
from segdata.core.rule import Family, Rule, Tables, find_rule
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.formats.shared.per_image import PerImageSource
from segdata.measure import cache, source_cache
from segdata.measure.stored_tables import StoredTables

FAMILIES: frozenset[Family] = frozenset(
    {"coverage", "gaps", "shapes", "parts", "holes", "outlines", "pairs", "contacts"}
)
TAXONOMY = """\
unlabelled: [0, 0, 0]
categories:
  - {id: 1, name: road, color: [128, 64, 128], kind: stuff}
  - {id: 2, name: car, color: [0, 0, 142], kind: thing}
"""


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was measured in no time."""
    monkeypatch.setattr(source_cache, "MIN_SECONDS", 0.0)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Five images with colour masks, some with specks and gaps."""
    root, rng = tmp_path / "set", np.random.default_rng(4)
    (root / "masks").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "taxonomy.yaml").write_text(TAXONOMY)
    for name in "abcde":
        draw(root, name, rng)
        Image.new("RGB", (32, 24)).save(root / "images" / f"{name}.png")
    return root


def draw(root: Path, name: str, rng: np.random.Generator) -> None:
    mask = np.full((24, 32, 3), (128, 64, 128), np.uint8)
    mask[4:20, 8:24] = (0, 0, 142)
    for x, y in rng.integers(0, 24, (5, 2)):
        mask[y, x] = (0, 0, 142) if x % 2 else (0, 0, 0)
    Image.fromarray(mask).save(root / "masks" / f"{name}.png")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are loaded."""
    names: list[str] = []
    original = PerImageSource.load

    def spied(self: PerImageSource, rows: Ints) -> Batch:
        names.extend(self.image_ids[row] for row in rows)
        return original(self, rows)

    monkeypatch.setattr(PerImageSource, "load", spied)
    return names


def tables(data: Path, place: Path | None, families: frozenset[Family] = FAMILIES) -> dict[str, object]:
    """Everything that is measured, as plain values."""
    found = dataset_tables(read(data, cache=place), families, jobs=1)
    fixed = {name: getattr(found, name) for name in Tables.__dataclass_fields__ if name not in ("profile", "measured")}
    return {name: plain(value) for name, value in (fixed | dict(found.measured)).items()}


def plain(value: object) -> object:
    if not isinstance(value, Table):
        return sorted(map(repr, value)) if isinstance(value, tuple) else value
    return {name: repr(value[name].tolist()) for name in value.names}


def test_what_took_no_time_is_kept_only_in_place_of_what_is_kept(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(least: float) -> list[bytes]:
        monkeypatch.setattr(source_cache, "MIN_SECONDS", least)
        tables(masks, tmp_path / "kept")
        return [path.read_bytes() for path in (tmp_path / "kept").glob("*.segdata")]

    assert measured(1e9) == []
    (before,) = measured(0.0)
    draw(masks, "a", np.random.default_rng(9))
    (after,) = measured(1e9)
    assert after != before


def test_the_second_time_nothing_is_opened(masks: Path, tmp_path: Path) -> None:
    fresh = tables(masks, None)
    assert tables(masks, tmp_path / "kept") == fresh
    again = read(masks, cache=tmp_path / "kept")
    assert isinstance(again.source, source_cache.CachedSource)
    assert again.source.stored_entry is not None
    assert tables(masks, tmp_path / "kept") == fresh
    assert "opened" not in vars(again.source)
    assert again.profile == read(masks).profile
    assert list(again.image_ids) == list(read(masks).image_ids)
    assert list(again.source.defects) == list(read(masks).source.defects)


@pytest.mark.parametrize("families", [frozenset(), frozenset({"shapes"}), frozenset({"coverage", "pairs"}), FAMILIES])
def test_what_is_not_asked_for_is_not_there(masks: Path, tmp_path: Path, families: frozenset[Family]) -> None:
    tables(masks, tmp_path / "kept")
    assert tables(masks, tmp_path / "kept", families) == tables(masks, None, families)


def test_more_is_measured_when_more_is_asked_for(masks: Path, tmp_path: Path) -> None:
    tables(masks, tmp_path / "kept", frozenset({"shapes"}))
    assert tables(masks, tmp_path / "kept", frozenset({"pairs"})) == tables(masks, None, frozenset({"pairs"}))
    source = read(masks, cache=tmp_path / "kept").source
    assert isinstance(source, source_cache.CachedSource)
    assert source.stored_entry is not None
    assert source.stored_entry.families >= {"shapes", "pairs"}


@pytest.mark.parametrize("name", ["a", "c", "e"])
def test_one_changed_mask_is_decoded_and_no_other(masks: Path, tmp_path: Path, name: str, decoded: list[str]) -> None:
    tables(masks, tmp_path / "kept")
    draw(masks, name, np.random.default_rng(9))
    decoded.clear()
    found = tables(masks, tmp_path / "kept")
    assert decoded == [f"{name}.png"]
    assert found == tables(masks, None)
    assert tables(masks, tmp_path / "kept") == found


def test_images_that_come_and_go(masks: Path, tmp_path: Path, decoded: list[str]) -> None:
    tables(masks, tmp_path / "kept")
    (masks / "masks" / "b.png").unlink()
    (masks / "images" / "b.png").unlink()
    draw(masks, "bb", np.random.default_rng(3))
    shutil.copy(masks / "images" / "a.png", masks / "images" / "bb.png")
    decoded.clear()
    found = tables(masks, tmp_path / "kept")
    assert decoded == ["bb.png"]
    assert found == tables(masks, None)


def test_a_mask_written_again_with_the_same_content_is_not_decoded(
    masks: Path, tmp_path: Path, decoded: list[str]
) -> None:
    fresh = tables(masks, tmp_path / "kept")
    path = masks / "masks" / "a.png"
    path.write_bytes(path.read_bytes())
    decoded.clear()
    assert tables(masks, tmp_path / "kept") == fresh
    assert decoded == []


def test_a_file_of_no_image_makes_everything_new(masks: Path, tmp_path: Path, decoded: list[str]) -> None:
    tables(masks, tmp_path / "kept")
    (masks / "notes.txt").write_text("who knows")
    decoded.clear()
    assert tables(masks, tmp_path / "kept") == tables(masks, None)
    assert len(decoded) == 10


def test_another_taxonomy_or_option_is_another_entry(masks: Path, tmp_path: Path) -> None:
    tables(masks, tmp_path / "kept")
    (masks / "taxonomy.yaml").write_text(TAXONOMY.replace("unlabelled: [0, 0, 0]\n", ""))
    assert tables(masks, tmp_path / "kept") == tables(masks, None)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_change_of_rules_is_none_of_the_data(masks: Path, tmp_path: Path, decoded: list[str]) -> None:
    before = validate(masks, cache=tmp_path / "kept", select="SEG106").findings
    (masks / "segdata.yaml").write_text("severity: {SEG106: error}\nrules: {SEG106: {min_pixels: 1}}\n")
    decoded.clear()
    after = validate(masks, cache=tmp_path / "kept", select="SEG106").findings
    assert decoded == []
    assert before
    assert after == validate(masks, select="SEG106").findings == ()


def damage_nothing(path: Path) -> None:
    """As it is."""


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip_bits(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(100, len(data), 97):
        data[at] ^= 255
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def of_other_families(path: Path) -> None:
    entry = cache.load_entry(path.parent, path.stem)
    assert entry is not None
    tables = {name: table for name, table in entry.tables.items() if name != "gaps"}
    cache.save_entry(
        path.parent,
        path.stem,
        cache.CacheEntry(entry.profile, entry.image_ids, frozenset(), StoredTables(tables), (), 0, entry.listing, {}),
    )


@pytest.mark.parametrize(
    "damage", [damage_nothing, cut_short, flip_bits, empty, make_a_folder, Path.unlink, of_other_families]
)
def test_whatever_becomes_of_an_entry_the_result_is_the_same(
    masks: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fresh = tables(masks, tmp_path / "kept")
    (entry,) = (tmp_path / "kept").glob("*.segdata")
    damage(entry)
    assert tables(masks, tmp_path / "kept") == fresh
    assert tables(masks, tmp_path / "kept") == fresh


def test_where_nothing_can_be_kept_nothing_is_said(masks: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    assert tables(masks, tmp_path / "kept") == tables(masks, None)


def test_a_document_changed_in_place_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    square = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]], "iscrowd": 0}
    data = {
        "images": [{"id": 1, "file_name": "x.png", "width": 9, "height": 9}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [square],
    }
    path.write_text(json.dumps(data))
    tables(path, tmp_path / "kept")
    square["segmentation"] = [[1, 1, 5, 1, 5, 5, 1, 7]]
    path.write_text(json.dumps(data))
    os.utime(path, ns=(1, 1))  # its time is the work of whoever wrote it; that something was done to it is not
    assert tables(path, tmp_path / "kept") == tables(path, None)


def test_the_oldest_entries_go_when_there_is_too_much(
    masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables(masks, tmp_path / "kept")
    (old,) = (tmp_path / "kept").glob("*.segdata")
    os.utime(old, (1, 1))
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 1)
    (masks / "taxonomy.yaml").write_text(TAXONOMY.replace("road", "street"))
    tables(masks, tmp_path / "kept")
    (left,) = (tmp_path / "kept").glob("*.segdata")
    assert left != old


CHECK = Rule.__dict__["check"].__get__  # the functions themselves, also while a test spies on them


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes of the rules that run."""
    codes: list[str] = []

    def check(rule: Rule) -> Callable[..., object]:
        def spied(*tables: object, **options: object) -> object:
            codes.append(rule.code)
            return CHECK(rule, Rule)(*tables, **options)

        spied.__module__ = CHECK(rule, Rule).__module__
        return spied

    find_rule("SEG106")  # all rules are loaded: while the test spies, none can be made
    monkeypatch.setattr(Rule, "check", property(check))
    return codes


def configured(masks: Path, text: str) -> Path:
    (masks / "segdata.yaml").write_text(text)
    return masks


def test_only_rules_whose_options_changed_run_again(masks: Path, tmp_path: Path, run: list[str]) -> None:
    """Whatever the configuration says, the findings are those of a run that keeps nothing."""
    place = tmp_path / "kept"
    validate(masks, cache=place)
    assert "SEG106" in run
    for text, wanted in (
        ("", set[str]()),
        ("severity:\n  SEG106: error\n", set()),
        ("rules:\n  SEG106:\n    min_pixels: 3\n", {"SEG106"}),
        ("suppress:\n  - {code: SEG106, reason: known}\n", {"SEG106"}),  # its options are the default again
        ("select: [SEG106]\nrules:\n  SEG106:\n    min_pixels: 3\n", {"SEG106"}),
        ("ignore: [SEG106]\n", set()),  # what the others found is still known
    ):
        configured(masks, text)
        run.clear()
        found = validate(masks, cache=place).findings
        assert set(run) - {"SEG019"} == wanted, text  # that about suppressions needs the findings of all
        assert found == validate(masks).findings


def test_findings_of_changed_labels_are_not_taken_from_before(masks: Path, tmp_path: Path, run: list[str]) -> None:
    before = validate(masks, cache=tmp_path / "kept").findings
    draw(masks, "a", np.random.default_rng(9))
    run.clear()
    after = validate(masks, cache=tmp_path / "kept").findings
    assert "SEG106" in run
    assert before != after == validate(masks).findings


def test_damaged_findings_are_found_again(masks: Path, tmp_path: Path, run: list[str]) -> None:
    before = validate(masks, cache=tmp_path / "kept").findings
    (path,) = (tmp_path / "kept").glob("*-findings.segdata")
    whole = path.read_bytes()
    flipped = bytes([*whole[:-9], whole[-9] ^ 1, *whole[-8:]])
    for damaged in (b"", whole[: len(whole) // 2], whole[:-40] + b"\xc1" * 40, flipped):
        path.write_bytes(damaged)
        run.clear()
        assert validate(masks, cache=tmp_path / "kept").findings == before
        assert run


def test_rules_of_other_packages_always_run(
    masks: Path, tmp_path: Path, run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have changed since."""
    monkeypatch.setattr(CHECK(find_rule("SEG106"), Rule), "__module__", "elsewhere.rules")
    for _ in range(2):
        run.clear()
        validate(masks, cache=tmp_path / "kept")
        assert "SEG106" in run
    assert "SEG101" not in run
