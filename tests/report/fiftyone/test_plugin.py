"""The plugin comes among those of FiftyOne, and changes none of them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from segdata.core.errors import SegdataError
from segdata.report.fiftyone.app import install_plugin


def told(folder: Path) -> SimpleNamespace:
    """What is asked of FiftyOne: where its plugins are."""
    return SimpleNamespace(config=SimpleNamespace(plugins_dir=str(folder)))


def test_it_is_brought_up_to_date_and_others_stay(tmp_path: Path) -> None:
    other = tmp_path / "mine" / "fiftyone.yml"
    other.parent.mkdir()
    other.write_text("name: mine")
    folder = install_plugin(told(tmp_path))
    (folder / "__init__.py").write_text("old")
    assert install_plugin(told(tmp_path)) == folder
    assert "def register" in (folder / "__init__.py").read_text("utf-8")
    assert other.read_text() == "name: mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", folder.name]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = install_plugin(told(tmp_path))
    (folder / "fiftyone.yml").write_text("name: other")
    with pytest.raises(SegdataError, match="was not made by segdata; move it away"):
        install_plugin(told(tmp_path))
    assert (folder / "fiftyone.yml").read_text() == "name: other"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SegdataError, match="FIFTYONE_PLUGINS_DIR names another"):
        install_plugin(told(tmp_path / "file"))
