"""`segdata demo`: the whole story, once."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from segdata.cli.demo import prepare

Run = Callable[..., Result]


def test_the_story_ends_well(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    result = run("demo", folder, "--scenes", "3")
    assert result.exit_code == 0, result.stderr
    assert "nothing found" in result.stdout  # in the clean data
    assert (folder / "street" / "dataset.yaml").is_file()
    assert len(list((folder / "pictures" / "mask_shapes").glob("*.png"))) > 2
    assert len(list((folder / "reports").glob("*.json"))) > 5
    prepare(folder)
    assert [path.name for path in folder.iterdir()] == [".segdata-demo"]  # an earlier demo is emptied


def test_no_folder_of_somebody_else_is_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = run("demo", tmp_path)
    assert (result.exit_code, "not empty" in result.stderr) == (2, True)
    assert (tmp_path / "data").is_dir()
