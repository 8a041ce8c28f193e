"""The registry of measurements: what rules ask for exists, and nothing is measured before what it needs."""

from importlib import import_module
from pathlib import Path

import pytest

from segdata.core.rule import rules
from segdata.measure import registry, tables
from segdata.measure.registry import all_families, chosen_measurements, row_links


def test_rules_ask_for_families_that_exist() -> None:
    known = all_families() | {"agreement", "noise"}  # these two are measured by commands of their own
    assert {rule.code: rule.needs - known for rule in rules().values() if rule.needs - known} == {}


def test_each_table_comes_after_those_that_its_rows_refer_to() -> None:
    names = list(row_links())
    for name, links in row_links().items():
        assert all(names.index(target) < names.index(name) for target in links.values())


def test_a_measurement_brings_those_that_it_needs() -> None:
    tables = [name for each in chosen_measurements(frozenset({"apart"})) for name in each.tables]
    assert tables == ["images", "annotations", "segments", "parts", "holes", "apart"]
    assert [name for each in chosen_measurements(frozenset()) for name in each.tables] == tables[:3]


def test_every_module_of_tables_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = []

    def import_and_note(name: str) -> object:
        imported.append(name)
        return import_module(name)

    monkeypatch.setattr(registry, "import_module", import_and_note)
    registry._import_all()
    modules = sorted(f"{tables.__name__}.{path.stem}" for path in Path(tables.__path__[0]).glob("[!_]*.py"))
    assert imported == [tables.__name__, *modules]
