"""Entry points as importlib.metadata reads them, and what their packages may do wrong."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from segdata.core.errors import SegdataError
from segdata.core.plugins import entry_points, loading_plugin

GROUPS = ("segdata.formats", "segdata.rules", "segdata.metrics")


def install(folder: Path, package: str, text: str) -> None:
    """A package's folder of metadata."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "entry_points.txt").write_text(text)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")


def named(group: str) -> list[tuple[str, str]]:
    return sorted((point.name, point.value) for point in entry_points(group))


@pytest.mark.parametrize("group", GROUPS)
def test_entry_points_are_those_of_importlib_metadata(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"[console_scripts]\nacme = acme:main\n\n# more\n[{group}]\none=acme.one\ntwo = acme.two : Two.read [extra]\n"
    install(tmp_path / "a", "acme_masks", own)
    install(tmp_path / "b", "Acme_Masks", own.replace("one", "three"))  # behind the first: not what is imported
    install(tmp_path / "b", "none", "[console_scripts]\nsegdata = none:main\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), *sys.path, str(tmp_path / "b"), str(tmp_path / "gone")])
    theirs = [(point.name, point.value) for point in importlib.metadata.entry_points(group=group)]
    assert named(group) == sorted(theirs)
    assert ("two", "acme.two : Two.read [extra]") in named(group)


def test_a_package_that_is_installed_later_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert named("segdata.rules") == []
    install(tmp_path, "acme", "[segdata.rules]\nacme = acme\n")
    assert named("segdata.rules") == [("acme", "acme")]


def test_an_object_within_a_module_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acme", "[segdata.formats]\na = os.path : sep.join [x]\nb = os.path:nothing\nc = a b\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    joined, missing, nonsense = entry_points("segdata.formats")
    assert joined.load()("ab") == "/".join("ab")
    with (
        pytest.raises(SegdataError, match=r"format b \(os.path:nothing\) cannot be loaded.*its package, acme"),
        loading_plugin(missing, "format"),
    ):
        missing.load()
    with pytest.raises(SegdataError, match="'a b' is no module"), loading_plugin(nonsense, "format"):
        nonsense.load()
