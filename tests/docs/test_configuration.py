"""docs/configuration.md: every YAML in it is a configuration that means something."""

import re
from pathlib import Path

import pytest

from segdata.core import yaml_files
from segdata.core.config import Config
from segdata.core.rule_runner import select_rules

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_read_and_names_rules_that_exist(text: str) -> None:
    config = yaml_files.parse_yaml(text, Config, "docs/configuration.md")
    assert select_rules(config)


def test_every_key_is_shown() -> None:
    shown = {match[1] for text in EXAMPLES for match in re.finditer(r"^(\w+):", text, re.MULTILINE)}
    first_names = {"by"}  # of `group_by`
    assert set(Config.__struct_fields__) - shown - first_names <= {"instance_ids", "options"}
