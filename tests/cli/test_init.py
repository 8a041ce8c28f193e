"""`segdata init` and `segdata taxonomy`: the first files of a dataset."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from segdata.core.config import Config, InstanceIds, load_config
from segdata.core.taxonomy import load_taxonomy
from segdata.core.yaml_files import parse_yaml

Run = Callable[..., Result]


@pytest.fixture
def bare(masks: Path) -> Path:
    """Masks whose colours nobody explains."""
    (masks / "taxonomy.yaml").unlink()
    (masks / "segdata.yaml").unlink()
    return masks


def test_init_writes_down_what_masks_are_read_by(run: Run, bare: Path) -> None:
    assert "SEG219" in run("validate", bare).stdout
    assert run("init", bare).exit_code == 0
    assert {category.rgb for category in load_taxonomy(bare / "taxonomy.yaml").categories} == {
        (0, 0, 0), (128, 64, 128), (0, 0, 142),
    }  # fmt: skip
    assert load_config(bare / "segdata.yaml") == Config()
    assert run("validate", bare, "--fail-on", "never").exit_code == 0


def test_what_a_provisional_reading_proposes_helps(run: Run, bare: Path) -> None:
    proposed = shlex.split("".join(run("validate", bare, "--format", "json").stdout).split("`")[1])
    assert proposed[:2] == ["segdata", "init"]
    assert run(*proposed[1:]).exit_code == 0
    assert "SEG219" not in run("validate", bare, "--fail-on", "never").stdout


def test_init_opens_data_as_every_command_does(run: Run, bare: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("format: colour-masks\n")
    (tmp_path / "names.txt").write_text("b.png\n")
    words = ("--config", tmp_path / "settings.yaml", "--list", tmp_path / "names.txt", "--images", bare / "images")
    one = run("taxonomy", "init", bare, *words).stdout
    assert "in 1 of 1 masks" in one
    assert "color: [0, 0, 0]" not in one  # that is in a.png alone
    assert run("init", bare, "--from", "colour-masks", *words[2:], "-o", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "taxonomy.yaml").read_text() == one
    wrong = run("init", bare, "--from", "bmp", "-o", tmp_path / "other")
    assert (wrong.exit_code, "'bmp'" in wrong.stderr) == (2, True)


def test_init_overwrites_only_on_demand(run: Run, bare: Path, tmp_path: Path) -> None:
    (bare / "taxonomy.yaml").write_text("categories:\n  - {id: 1, name: mine, color: [1, 2, 3]}\n")
    assert run("init", bare).exit_code == 2
    assert not (bare / "segdata.yaml").exists()
    assert run("init", bare, "--output", tmp_path / "elsewhere").exit_code == 0
    assert (tmp_path / "elsewhere" / "segdata.yaml").exists()
    assert run("init", bare, "--force").exit_code == 0


def test_init_names_another_folder_where_it_cannot_write(run: Run, bare: Path) -> None:
    (bare / "file").write_text("")
    done = run("init", bare, "--output", bare / "file" / "new")
    assert (done.exit_code, "name another folder (--output)" in done.stderr) == (2, True)
    assert not (bare / "segdata.yaml").exists()


def test_every_commented_key_can_be_switched_on(run: Run, bare: Path) -> None:
    run("init", bare)
    text = (bare / "segdata.yaml").read_text()
    on = re.sub(r"^# (  - |[a-z_]+:)", r"\1", text, flags=re.MULTILINE)
    config = parse_yaml(on, Config, "segdata.yaml")
    named = {name for name in Config.__struct_fields__ if getattr(config, name)}
    assert named == set(Config.__struct_fields__) - {"by"}  # the first name of group_by


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


def test_init_writes_nothing_where_data_cannot_be_read_and_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    shades = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(shades).save(tmp_path / "masks" / "a.png")
    result = run("init", tmp_path)
    assert (result.exit_code, "are no categories" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]


def test_init_drafts_what_instance_ids_need(run: Run, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 7).save(tmp_path / "masks" / "a.png")
    assert "provisional taxonomy" in run("validate", tmp_path).stdout
    assert run("init", tmp_path).exit_code == 0
    assert load_config(tmp_path / "segdata.yaml").instance_ids == InstanceIds(category="object", background=0)
    assert "name: object" in (tmp_path / "taxonomy.yaml").read_text()
    result = run("validate", tmp_path, "--fail-on", "never").stdout
    assert ("399 segments" in result, "SEG219" in result) == (True, False)


def test_init_calls_255_of_a_binary_mask_foreground(run: Run, tmp_path: Path) -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "a_mask.png")
    assert run("init", tmp_path).exit_code == 0
    assert "{id: 255, name: foreground, kind: stuff" in (tmp_path / "taxonomy.yaml").read_text()
    assert load_config(tmp_path / "segdata.yaml") == Config(coverage="sparse")
    result = run("validate", tmp_path)
    assert (result.exit_code, "1 segment" in result.stdout, "SEG101" in result.stdout) == (0, True, False)


def test_a_background_is_drafted_with_the_hint_that_it_may_be_unlabelled(run: Run, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0, 0, 7]], np.uint8)).save(tmp_path / "a_mask.png")
    text = run("taxonomy", "init", tmp_path).stdout
    assert ("\n# unlabelled: 0  # where `background`" in text, "name: background" in text) == (True, True)
    (tmp_path / "taxonomy.yaml").write_text(text.replace("# unlabelled: 0", "unlabelled: 0"))
    assert "1 segment" in run("validate", tmp_path, "--fail-on", "never").stdout


def test_reports_tell_which_folders_were_read(run: Run, masks: Path) -> None:
    said = "".join(run("validate", masks, "--fail-on", "never").stdout.split())  # long paths are folded
    assert f"masks: {masks}/masks".replace(" ", "") in said
    words = run("info", masks).stdout.split()
    assert (words[words.index("in") - 1], "masks set/masks" in " ".join(words)) == ("masks", True)
