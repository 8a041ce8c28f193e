"""The schemas in the repository are those of the types as they are now."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

import segdata
from segdata.core.taxonomy import Category, Taxonomy, dump_taxonomy
from segdata.report.reference_pages import formats_json, rules_json
from segdata.sample import make
from tests.generators.schemas import schemas, write
from tests.pinned_versions import written_with

FOLDER = Path(__file__).parents[2] / "schemas"


@written_with("msgspec")
@pytest.mark.parametrize("name", sorted(schemas()))
def test_schema_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == schemas()[name], "run: python -m tests.generators.schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schema_is_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schemas()[name]))


def test_write_makes_exactly_these_files(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()} == schemas()


def test_a_taxonomy_fits_its_schema() -> None:
    schema = json.loads(schemas()["taxonomy.schema.json"])
    taxonomy = Taxonomy(categories=(Category(id=1, name="car", color=(1, 2, 3), aliases=("auto",)),), unlabelled=0)
    jsonschema.validate(yaml.safe_load(dump_taxonomy(taxonomy)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"categories": [{"name": "car"}]}, schema)


def test_lists_of_rules_and_formats_fit_their_schemas() -> None:
    listed = {"rules": rules_json(segdata.list_rules()), "formats": formats_json(segdata.list_formats())}
    for name, text in listed.items():
        rows = json.loads(text)
        assert len(rows) > 30
        jsonschema.validate(rows, json.loads(schemas()[f"{name}.schema.json"]))


def test_json_of_edits_fits_its_schema(tmp_path: Path) -> None:
    """What `split`, `sample`, `history` and `taxonomy diff` print has the shape that is published."""
    arrays = {f"{k}.png": np.array([[1, 1, 2], [0, 1, 2]], np.uint8) for k in range(6)}
    segdata.from_arrays(arrays, taxonomy=["road", "sky"]).convert(tmp_path / "data")
    data = segdata.read(tmp_path / "data")
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("categories: [{id: 1, name: a}, {id: 2, name: b}, {id: 3, name: c}]")
    new.write_text("groups: {b: null}\ncategories: [{id: 2, name: d, parent: b}, {id: 4, name: e, parent: b}]")
    printed = {
        "split": data.split({"train": 0.5, "val": 0.5}, near=False).to_json(),
        "sample": data.sample(tmp_path / "gold", 2).to_json(),
        "history": segdata.read(tmp_path / "data").history().to_json(),
        "taxonomy_difference": segdata.diff_taxonomies(old, new).to_json(),
    }
    for name, text in printed.items():
        jsonschema.validate(json.loads(text), json.loads(schemas()[f"{name}.schema.json"]))
    drawn_only = json.loads(data.sample(None, 2).to_json())
    assert "target" not in drawn_only
    jsonschema.validate(drawn_only, json.loads(schemas()["sample.schema.json"]))


@pytest.mark.parametrize(
    "options", [{}, {"group_by": "size"}, {"channels": True}, {"shapes": True, "hash": True}], ids=str
)
def test_json_of_info_fits_its_schema(options: dict[str, object], tmp_path: Path) -> None:
    make(tmp_path, images=2, only=("clean",))
    text = segdata.read(tmp_path / "clean/panoptic").info(**options).to_json()
    jsonschema.validate(json.loads(text), json.loads(schemas()["info.schema.json"]))
