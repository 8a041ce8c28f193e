"""`segdata demo`: the whole story, once."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from segdata.cli.demo import prepare_folder
from tests.cli.test_core_install import run_without_extras

Run = Callable[..., Result]


def test_the_story_ends_well(tmp_path: Path) -> None:
    """It needs no package of the extras."""
    folder = tmp_path / "demo"
    result = run_without_extras("demo", folder, "--scenes", "3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "No module named" not in result.stdout + result.stderr
    assert "nothing found" in result.stdout  # in the clean data
    assert (folder / "street" / "dataset.yaml").is_file()
    assert len(list((folder / "pictures" / "mask_shapes").glob("*.png"))) > 2
    assert len(list((folder / "reports").glob("*.json"))) > 5
    assert "revision r0002 is current" in result.stdout  # what was accepted is carried out
    assert "12 findings decided, 0 open" in result.stdout
    assert (folder / "noisy" / "review.jsonl").read_text("utf-8").count("\n") == 12
    assert "Traceback" not in result.stdout + result.stderr
    prepare_folder(folder)
    assert [path.name for path in folder.iterdir()] == [".segdata-demo"]  # an earlier demo is emptied


def test_no_folder_of_somebody_else_is_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = run("demo", tmp_path)
    assert (result.exit_code, "not empty" in result.stderr) == (2, True)
    assert (tmp_path / "data").is_dir()
