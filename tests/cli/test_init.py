"""`segdata init` and `segdata taxonomy`: the first files of a dataset."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from segdata.core.config import Config, load_config
from segdata.core.taxonomy import load_taxonomy
from segdata.core.yamlfile import parse

Run = Callable[..., Result]


@pytest.fixture
def bare(masks: Path) -> Path:
    """Masks whose colours nobody explains."""
    (masks / "taxonomy.yaml").unlink()
    (masks / "segdata.yaml").unlink()
    return masks


def test_init_makes_masks_readable(run: Run, bare: Path) -> None:
    refused = run("validate", bare)
    assert (refused.exit_code, "segdata taxonomy init" in refused.stderr) == (2, True)
    assert run("init", bare).exit_code == 0
    assert {category.rgb for category in load_taxonomy(bare / "taxonomy.yaml").categories} == {
        (0, 0, 0), (128, 64, 128), (0, 0, 142),
    }  # fmt: skip
    assert load_config(bare / "segdata.yaml") == Config()
    assert run("validate", bare, "--fail-on", "never").exit_code == 0


def test_init_overwrites_only_on_demand(run: Run, bare: Path, tmp_path: Path) -> None:
    (bare / "taxonomy.yaml").write_text("categories:\n  - {id: 1, name: mine, color: [1, 2, 3]}\n")
    assert run("init", bare).exit_code == 2
    assert not (bare / "segdata.yaml").exists()
    assert run("init", bare, "--output", tmp_path / "elsewhere").exit_code == 0
    assert (tmp_path / "elsewhere" / "segdata.yaml").exists()
    assert run("init", bare, "--force").exit_code == 0


def test_every_commented_key_can_be_switched_on(run: Run, bare: Path) -> None:
    run("init", bare)
    text = (bare / "segdata.yaml").read_text()
    on = re.sub(r"^# (  - |[a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    config = parse(on, Config, "segdata.yaml")
    named = {name for name in Config.__struct_fields__ if getattr(config, name)}
    assert named == set(Config.__struct_fields__)


def test_taxonomy_init_prints_a_draft(run: Run, bare: Path, tmp_path: Path) -> None:
    text = run("taxonomy", "init", bare).stdout
    assert text.startswith("# A draft.")
    target = tmp_path / "draft.yaml"
    assert run("taxonomy", "init", bare, "--output", target).exit_code == 0
    assert target.read_text() == text
    assert run("taxonomy", "init", bare, "--output", target).exit_code == 2


def test_a_draft_of_a_described_dataset_is_its_own_taxonomy(run: Run, masks: Path, tmp_path: Path) -> None:
    run("convert", masks, tmp_path / "out")
    for data in (masks, tmp_path / "out"):
        assert "name: car" in run("taxonomy", "init", data).stdout


def test_taxonomy_check(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.yaml"
    path.write_text("categories:\n  - {id: 1, name: car}\n")
    assert run("taxonomy", "check", tmp_path).exit_code == 0
    path.write_text("categories:\n  - {id: 1, name: car}\n  - {id: 1, name: bus}\n")
    twice = run("taxonomy", "check", path)
    assert (twice.exit_code, "SEG208" in twice.stdout) == (1, True)
    path.write_text("categories:\n  - {id: 1, nmae: car}\n")
    broken = run("taxonomy", "check", path)
    assert (broken.exit_code, f"{path}:2" in broken.stderr) == (2, True)


def test_init_says_what_is_missing_where_data_cannot_be_read_yet(run: Run, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (tmp_path / "masks").mkdir()
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 7).save(tmp_path / "masks" / "a.png")
    result = run("init", tmp_path)
    assert result.exit_code == 0
    assert "cannot be read yet" in result.stderr
    text = (tmp_path / "segdata.yaml").read_text()
    assert "# It cannot be read yet:" in text
    assert load_config(tmp_path / "segdata.yaml") == Config()
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: nucleus}\n")
    assert run("info", tmp_path).exit_code == 0
