"""Taxonomies from Python: what the commands do, under names of their own."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import segdata
from segdata.cli.main import main

SAMPLE = Path(__file__).parents[2] / "sample_data" / "semantic"
TAXONOMY = """categories:
- {id: 1, name: car, kind: thing, color: [255, 0, 0], definition: Any car.}
- {id: 2, name: road, kind: stuff, color: [254, 0, 0]}
"""


def printed(*words: str) -> str:
    return CliRunner().invoke(main, list(words), standalone_mode=False).stdout


def test_a_draft_has_the_categories_of_the_data() -> None:
    taxonomy = segdata.draft_taxonomy(SAMPLE)
    assert taxonomy == segdata.read(SAMPLE).taxonomy
    with pytest.raises(segdata.SegdataError, match="does not exist"):
        segdata.draft_taxonomy("nowhere")


def test_check_finds_and_advises_what_the_command_prints(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_text(TAXONOMY, "utf-8")
    for source in (file, str(tmp_path), segdata.check_taxonomy(file).taxonomy):
        result = segdata.check_taxonomy(source)
        assert result == segdata.check_taxonomy(file)
    assert {finding.code for finding in result.findings} <= {"SEG208"}
    text = " ".join(printed("taxonomy", "check", str(file)).split())
    assert all(sentence in text for sentence in result.advice)
    assert text.endswith("2 categories, nothing found") == (result.findings == ())


def test_the_guideline_is_what_the_command_prints(tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_text(TAXONOMY, "utf-8")
    for html, name in ((False, "markdown"), (True, "html")):
        text = segdata.taxonomy_guideline(file, html=html)
        assert text.strip() == printed("taxonomy", "doc", str(file), "--format", name).strip()
    unnamed = segdata.taxonomy_guideline(segdata.check_taxonomy(file).taxonomy)
    assert "car" in unnamed
    assert "how to annotate" in unnamed
