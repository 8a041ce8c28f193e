"""Settings: categories that a configuration names are those of the dataset."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from segdata.core.config import CategoryGold, Config, Gold, Override, Suppression, load_config
from segdata.core.errors import SegdataError, SettingError
from segdata.core.profile import Policy, Profile
from segdata.core.rule_settings import check_config_categories, check_config_file, check_gold
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(categories=(Category(id=1, name="road"), Category(id=2, name="car", aliases=("auto",))))
PROFILE = Profile("x", "coco-instances", "instance", TAXONOMY, True, Policy("sparse"), Policy("allow"))


def naming(category: str) -> list[tuple[Config, tuple[str | int, ...]]]:
    """Configurations that name a category, and where."""
    return [
        (Config(coverage={"road": "exhaustive", category: "sparse"}), ("coverage", category)),
        (Config(overrides=(Override(image="a"), Override(category=category))), ("overrides", 1, "category")),
        (Config(suppress=(Suppression("SEG106", "so", category=category),)), ("suppress", 0, "category")),
    ]


@pytest.mark.parametrize(
    ("category", "hint"),
    [("rode", "; did you mean 'road'?"), ("auto", "; it is an alias of 'car'"), ("tree", "no category 'tree'")],
)
def test_an_unknown_category_is_refused_where_it_is_named(category: str, hint: str) -> None:
    for config, steps in naming(category):
        with pytest.raises(SettingError) as error:
            check_config_categories(config, PROFILE)
        assert error.value.steps == steps
        assert str(error.value).endswith(hint)


def test_known_ones_are_those_of_the_taxonomy_and_of_the_source() -> None:
    """A name that the taxonomy lacks is SEG201's, and may be suppressed."""
    unknown = replace(PROFILE, metadata={"unknown_categories": json.dumps({"9": "tree"})})
    for category in ("road", "car", "tree"):
        for config, _ in naming(category):
            check_config_categories(config, unknown)


def test_what_names_none_is_fine() -> None:
    check_config_categories(Config(coverage="sparse", overrides=(Override(image="a"),)), PROFILE)


@pytest.mark.parametrize(
    ("gold", "steps"),
    [
        (Gold(bar=80), ("gold", "bar")),
        (
            Gold(metric="hd95", bar=80, categories={"car": CategoryGold(metric="iou", bar=2)}),
            ("gold", "categories", "car", "bar"),
        ),
        (Gold(each=1.5), ("gold", "each")),
    ],
)
def test_a_bar_that_no_work_can_reach_is_refused(gold: Gold, steps: tuple[str, ...]) -> None:
    """Scores end at 1, distances do not."""
    with pytest.raises(SettingError, match=r"is at most 1, a bar of") as error:
        check_gold(Config(gold=gold))
    assert error.value.steps == steps
    check_gold(Config(gold=Gold(metric="assd", bar=80, each=3)))
    check_gold(Config(gold=Gold(bar=1.0)))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("gold:\n  metric: jaccard\n", 2, r"no metric 'jaccard'.*one of: iou"),
        ("gold:\n  metric: covring\n", 2, "did you mean 'covering'"),
        ("gold:\n  categories:\n    car:\n      metric: nds\n", 4, "did you mean 'nsd'"),
    ],
)
def test_an_unknown_metric_is_told_with_its_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    path = tmp_path / "segdata.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SegdataError, match=problem) as error:
        check_config_file(load_config(path), path)
    assert str(error.value).startswith(f"{path}:{line}:")
