"""A metric cannot take the name of a figure that reports already have; with another it is reported."""

from types import FunctionType

import pytest

import segdata.agreement.metrics
from segdata.agreement import plugin
from segdata.agreement.plugin import installed_metrics, metric
from segdata.core import config
from segdata.core.config import Config, Gold
from segdata.core.rule_settings import SettingError, check_gold


@pytest.mark.parametrize("name", ["iou", "dice", "nsd", "kappa", "pq"])
def test_a_name_of_our_own_figures_is_refused(name: str) -> None:
    register = metric(name, takes=["both"], higher_is_better=True, source="none")
    with pytest.raises(ValueError, match=f"metric {name}: "):
        register(lambda both: both)


def test_a_new_file_in_our_own_package_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a metric to segdata lists it nowhere else: reports have a table of it, and it can be a bar."""
    monkeypatch.setattr(plugin, "_REGISTRY", dict(plugin._REGISTRY))
    monkeypatch.setattr(plugin, "registered_metrics", names := set[str]())
    monkeypatch.setattr("segdata.core.rule_settings.registered_metrics", names)
    wanted = Config(gold=Gold(metric="cover_of_both", bar=0.9))
    with pytest.raises(SettingError, match="there is no metric 'cover_of_both'"):
        check_gold(wanted)
    before = set(installed_metrics())
    code = compile("def cover(both): return both", "cover.py", "exec").co_consts[0]
    function = FunctionType(code, {"__name__": f"{segdata.agreement.metrics.__name__}.cover"})
    metric("cover_of_both", takes=["both"], higher_is_better=True, source="none")(function)
    assert set(installed_metrics()) == before | {"cover_of_both"}
    check_gold(wanted)
    assert "cover_of_both" not in config.registered_metrics
