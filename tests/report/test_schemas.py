"""The schemas in the repository are those of the types as they are now."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from segdata.core.taxonomy import Category, Taxonomy, dump_taxonomy
from segdata.report.schemas import schemas, write

FOLDER = Path(__file__).parents[2] / "schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schema_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == schemas()[name], "run: python -m segdata.report.schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_schema_is_valid(name: str) -> None:
    import json

    jsonschema.Draft202012Validator.check_schema(json.loads(schemas()[name]))


def test_write_makes_exactly_these_files(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()} == schemas()


def test_a_taxonomy_fits_its_schema() -> None:
    import json

    schema = json.loads(schemas()["taxonomy.schema.json"])
    taxonomy = Taxonomy(categories=(Category(id=1, name="car", color=(1, 2, 3), aliases=("auto",)),), unlabelled=0)
    jsonschema.validate(yaml.safe_load(dump_taxonomy(taxonomy)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"categories": [{"name": "car"}]}, schema)
