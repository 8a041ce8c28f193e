"""The plugin comes among those of FiftyOne, and changes none of them."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from segdata.core.errors import SegdataError
from segdata.report.fiftyone import app
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


def test_a_new_page_opens_no_picture_that_another_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that names a picture opens it as before; FiftyOne's function is replaced once, however often it loads."""
    pytest.importorskip("fiftyone")
    from fiftyone.server.events import initialize

    monkeypatch.setattr(initialize, "handle_sample_id", initialize.handle_sample_id)  # is put back afterwards
    plugin().open_no_stale_picture()
    handle = initialize.handle_sample_id
    plugin().open_no_stale_picture()
    assert initialize.handle_sample_id is handle
    state = SimpleNamespace(sample_id="left open", selected_labels=["of it"])
    assert handle(state, None) is False
    assert (state.sample_id, state.selected_labels) == (None, [])
    state.selected_labels = ["mine"]
    assert handle(state, "named") is True
    assert (state.sample_id, state.selected_labels) == ("named", ["mine"])


def test_fields_with_many_labels_in_an_image_are_told_to_the_page(fo: Any) -> None:
    """Their names would cover it; those of findings always show."""
    module = plugin()
    dataset = fo.Dataset()
    dataset.info["segdata"] = {
        "fields": [{"name": name, "kind": name} for name in ("findings", "segments", "outlines")]
    }
    sample = fo.Sample("a.png")
    boxes = [fo.Detection(label="cell", bounding_box=[0, 0, 1, 1]) for _ in range(module.CROWDED + 1)]
    sample["segments"] = sample["findings"] = fo.Detections(detections=boxes)
    sample["outlines"] = fo.Polylines(polylines=[fo.Polyline(label="cell") for _ in range(module.CROWDED)])
    dataset.add_samples([sample, fo.Sample("b.png")])
    told: list[object] = []
    module.Open().execute(SimpleNamespace(dataset=dataset, trigger=lambda *words: told.append(words)))
    assert told == [("@segdata/review/arrange", {"crowded": ["segments"]})]
    dataset.info = {}  # of somebody else
    module.Open().execute(SimpleNamespace(dataset=dataset, trigger=told.append))
    assert len(told) == 1


def plugin() -> ModuleType:
    """The plugin, loaded anew from its file, as FiftyOne's server does."""
    file = Path(app.__file__).parent / "plugin" / "__init__.py"
    found = importlib.util.spec_from_file_location("segdata_review", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


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
