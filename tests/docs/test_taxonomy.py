"""The examples of docs/taxonomy.md are what they say they are."""

import re
from pathlib import Path

from segdata.api.taxonomy import taxonomy_dataset
from segdata.api.validate import validate
from segdata.core import yaml_files
from segdata.core.taxonomy import Category, Taxonomy, parse_taxonomy
from segdata.store.remap import TaxonomyMap

PAGE = (Path(__file__).parents[2] / "docs" / "taxonomy.md").read_text(encoding="utf-8")
TAXONOMY, MAP = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_sound_and_says_everything_that_can_be_said() -> None:
    taxonomy = parse_taxonomy(TAXONOMY)
    assert not validate(taxonomy_dataset(taxonomy), select=["SEG208"]).findings
    for field in Category.__struct_fields__:
        default = getattr(Category(id=0, name=""), field, None)
        assert any(getattr(each, field) != default for each in taxonomy.categories), field
    for field in Taxonomy.__struct_fields__:
        assert getattr(taxonomy, field) != getattr(Taxonomy(), field), field


def test_the_map_parses() -> None:
    found = yaml_files.parse_yaml(MAP, TaxonomyMap, "map.yaml")
    assert found.categories["vehicle"] == ("car", "bus")
    assert found.categories["shadow"] is None
