"""Lazy loading: stubs are the lists of names, and entry points are as importlib.metadata reads them."""

import importlib.metadata
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from segdata.core.errors import SegdataError
from segdata.core.format import formats
from segdata.core.lazy_loading import attach, entry_points, loading_plugin

MODULES = ["segdata", "segdata.formats.plugin", "segdata.rules.plugin"]
GROUPS = ("segdata.formats", "segdata.rules", "segdata.metrics")


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_found_and_listed(name: str) -> None:
    module = import_module(name)
    assert set(module.__all__) <= set(dir(module))
    for public in module.__all__:
        assert getattr(module, public) is not None
    assert len(module.__all__) > 25


def test_surfaces_of_plugins_have_a_version() -> None:
    for name in (*MODULES[1:], "segdata.agreement.plugin"):
        module = import_module(name)
        assert module.API_VERSION == 1
        assert "API_VERSION" in module.__all__


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'segdata' has no attribute 'Datset'"):
        import_module("segdata").Datset  # noqa: B018 - the access is the test


def test_nothing_is_imported_before_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "shop.pyi").write_text("from decimal import Decimal as Decimal\n\nPRICE: int\n")
    get, _ = attach("shop", str(tmp_path / "shop.py"))
    assert get("__all__") == ["Decimal", "PRICE"]
    assert get("Decimal").__name__ == "Decimal"  # type: ignore[attr-defined]  # its type is not known before
    with pytest.raises(AttributeError, match="module 'shop' has no attribute 'PRICE'"):
        get("PRICE")  # declared, but the module does not define it
    heavy = "import sys, segdata.rules.plugin; print('segdata.measure.registry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


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


@pytest.mark.parametrize(
    ("module", "reason"),
    [("acmemasks", "/acmemasks is a folder without code"), ("acmevalues", "LOSSES must be a frozenset of .*'colour'")],
)
def test_a_format_without_losses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    """A folder that has the module's name and comes first on the path is imported as an empty package."""
    (tmp_path / "acmemasks").mkdir()
    (tmp_path / "acmevalues.py").write_text("LOSSES = frozenset({'colour'})\n")
    install(tmp_path, module, f"[segdata.formats]\nacme = {module}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    points = [point for point in entry_points("segdata.formats") if point.name == "acme"]
    monkeypatch.setattr("segdata.core.format.entry_points", lambda group: points)
    words = rf"format acme \({module}\) cannot be loaded: .*{reason}.*its package, {module}"
    with pytest.raises(SegdataError, match=words):
        formats.__wrapped__()
