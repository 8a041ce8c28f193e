"""Exports: the stub beside a module is the list of its names, for type checkers and at run time."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from segdata.core.exports import attach

MODULES = ["segdata", "segdata.formats.plugin", "segdata.rules.plugin"]


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
