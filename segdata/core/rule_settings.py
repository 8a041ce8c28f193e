"""Rule settings: the rules that a word of the configuration names, and the settings of each rule.

A word is a code, the beginning of codes, or the name of a rule. If several words name one rule, the one that names the
fewest rules wins: ``severity: {SEG1: info, speck: error}`` makes specks errors.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from segdata.core import yaml_files
from segdata.core.config import DISTANCES, Config, Metric, Override, Suppression, did_you_mean, registered_metrics
from segdata.core.errors import SegdataError, SettingError, UnreadableError
from segdata.core.finding import Severity
from segdata.core.lazy_loading import entry_points, loading_plugin
from segdata.core.profile import Profile
from segdata.core.rule import Rule, rule_hint, rules

T = TypeVar("T")
RuleSeverity = Severity | Literal["off"]
CONFIG_FILE = "segdata.yaml"


def check_config(config: Config) -> None:
    """Raise SettingError for words that match no rule, and for options that do not exist or have invalid values."""
    configured_severities(config)
    configured_options(config)
    configured_overrides(config)
    configured_suppressions(config)
    configured_codes(config, "select")
    configured_codes(config, "ignore")


def check_config_file(config: Config, path: Path) -> None:
    """Like `check_config`, with the line of `path` in errors; imports rules only if the configuration names any."""
    with locate_config_errors(path):
        check_gold(config)
        if any((config.severity, config.rules, config.overrides, config.suppress, config.select, config.ignore)):
            check_config(config)


def check_gold(config: Config) -> None:
    """Raise SettingError for unknown metrics and for bars that cannot be reached: scores end at 1, distances do not."""
    if config.gold is None:
        return
    gold, own_metrics = config.gold, get_args(Metric)
    named: list[tuple[str | None, tuple[str, ...]]] = [(gold.metric, ("gold", "metric"))]
    named += [(own.metric, ("gold", "categories", name, "metric")) for name, own in gold.categories.items()]
    if any(metric not in (None, *own_metrics) for metric, _ in named):
        load_metrics()  # not below: what a plugin lacks is no error in the configuration
    for metric, steps in named:
        if metric is not None:
            with config_steps(*steps):
                check_metric(metric, f"{CONFIG_FILE}: {'.'.join(steps)}: ")
    bars: list[tuple[str | None, float | None, tuple[str, ...]]] = [
        (gold.metric, gold.bar, ("gold", "bar")),
        (gold.metric, gold.each, ("gold", "each")),
    ]
    bars += [
        (gold.for_category(name).metric, own.bar, ("gold", "categories", name, "bar"))
        for name, own in gold.categories.items()
    ]
    for metric, bar, steps in bars:
        if metric in own_metrics and metric not in DISTANCES and bar is not None and bar > 1:
            problem = f"{metric} is at most 1, a bar of {bar:g} cannot be reached"
            raise SettingError(f"{CONFIG_FILE}: {'.'.join(steps)}: {problem}", *steps)


def check_metric(name: str, where: str = "") -> None:
    """Raise SegdataError, whose message begins with `where`, if no metric of segdata or of a plugin has this name."""
    own = get_args(Metric)
    if name in own:
        return
    load_metrics()
    if name not in registered_metrics:
        names = [*own, *sorted(registered_metrics)]
        raise SegdataError(f"{where}there is no metric {name!r}{did_you_mean(name, names)}; one of: {', '.join(names)}")


def load_metrics() -> None:
    """Import the modules behind the entry points `segdata.metrics`, which register their metrics."""
    for point in entry_points(group="segdata.metrics"):
        with loading_plugin(point, "metrics"):
            point.load()


def check_config_categories(config: Config, profile: Profile) -> None:
    """Raise SettingError if the configuration names a category that the dataset lacks.

    Names that the source has and the taxonomy lacks are categories; aliases are not, since findings have the current
    name.
    """
    named: list[tuple[str, tuple[str | int, ...]]] = []
    if isinstance(config.coverage, dict):
        named += [(name, ("coverage", name)) for name in config.coverage]
    for key in ("overrides", "suppress"):
        scopes = enumerate(getattr(config, key))
        named += [
            (scope.category, (key, position, "category")) for position, scope in scopes if scope.category is not None
        ]
    names = (
        [*(category.name for category in profile.taxonomy.categories), *profile.unknown_names.values()] if named else []
    )
    for name, steps in named:
        if name not in names:
            now = profile.taxonomy.by_name().get(name)
            hint = did_you_mean(name, names) if now is None else f"; it is an alias of {now.name!r}"
            raise SettingError(f"{CONFIG_FILE}: {steps[0]}: the dataset has no category {name!r}{hint}", *steps)


@contextmanager
def locate_config_errors(path: Path | None) -> Iterator[None]:
    """Raise errors of the block about the configuration as UnreadableError, with the file, and its line if known."""
    try:
        yield
    except SettingError as error:
        message = str(error).removeprefix(f"{CONFIG_FILE}: ")
        if path is None or not path.is_file():
            raise UnreadableError(str(error) if path is None else f"{path}: {message}") from error
        _, lines = yaml_files.parse_yaml_with_lines(yaml_files.read_utf8(path), Config, str(path))
        lines_found = (lines.line_of(*error.steps[:end]) for end in range(len(error.steps), 0, -1))
        raise UnreadableError(f"{path}:{next(filter(None, lines_found), 1)}: {message}") from error


@contextmanager
def config_steps(*steps: str | int) -> Iterator[None]:
    """Turn errors of the block into SettingErrors at these steps of the configuration."""
    try:
        yield
    except SegdataError as error:
        raise SettingError(str(error), *steps) from error


def match_rules(word: str, where: str) -> list[Rule]:
    """The rules with this code, code prefix or name, in the order of the codes.

    Raises SegdataError if there is none; its message begins with `where` and suggests the nearest known word.
    """
    installed = rules().values()
    matches = [rule for rule in installed if word and (rule.code.startswith(word.upper()) or rule.name == word.lower())]
    if not matches:
        raise SegdataError(f"{where}: no rule has the code or name {word!r}{rule_hint(word, list(installed))}")
    return matches


def match_codes(words: str | Iterable[str], where: str) -> frozenset[str]:
    """The codes of the rules that match any of the words."""
    return frozenset(
        rule.code for word in ([words] if isinstance(words, str) else words) for rule in match_rules(word, where)
    )


def configured_codes(config: Config, key: Literal["select", "ignore"]) -> frozenset[str]:
    """The codes that match the configuration's words under `key`."""
    return _codes_at(getattr(config, key), f"{CONFIG_FILE}: {key}", key)


def _codes_at(words: Iterable[str], where: str, *steps: str | int) -> frozenset[str]:
    codes: set[str] = set()
    for position, word in enumerate(words):
        with config_steps(*steps, position):
            codes |= match_codes(word, where)
    return frozenset(codes)


def configured_suppressions(config: Config) -> list[tuple[frozenset[str], Suppression]]:
    """The suppressions of the configuration, each with the codes that it matches."""
    suppressions = []
    for position, suppression in enumerate(config.suppress):
        with config_steps("suppress", position, "code"):
            suppressions.append((match_codes(suppression.code, f"{CONFIG_FILE}: suppress"), suppression))
    return suppressions


def configured_overrides(config: Config) -> list[tuple[Override, dict[str, RuleSeverity]]]:
    """The overrides of the configuration, each with code -> severity or "off"; an empty one raises SettingError."""
    overrides = []
    for position, override in enumerate(config.overrides):
        where = f"overrides, entry {position + 1}"
        steps = ("overrides", position)
        if not (override.select or override.ignore or override.severity):
            raise SettingError(f"{CONFIG_FILE}: {where}: changes nothing; give it select, ignore or severity", *steps)
        only = _codes_at(override.select, f"{CONFIG_FILE}: {where}: select", *steps, "select") or rules().keys()
        off = {*rules().keys() - only, *_codes_at(override.ignore, f"{CONFIG_FILE}: {where}: ignore", *steps, "ignore")}
        spread = _by_rule(override.severity, f"{where}: severity", *steps, "severity")
        severities = {rule.code: severity for rule, severity in spread}
        overrides.append((override, severities | dict.fromkeys(off, "off")))
    return overrides


def configured_severities(config: Config) -> dict[str, RuleSeverity]:
    """Code -> the configured severity, for rules that have one."""
    return {rule.code: severity for rule, severity in _by_rule(config.severity, "severity", "severity")}


def configured_options(config: Config) -> dict[str, dict[str, Any]]:  # Any: each rule has its own options
    """Code -> the options that the configuration sets; a word for several rules sets those that have the option.

    Raises SegdataError for options that none of the rules has, and for values of another type than the default.
    """
    where = f"{CONFIG_FILE}: rules"
    options: dict[str, dict[str, Any]] = {}
    for rule, values in _by_rule(config.rules, "rules", "rules"):
        options.setdefault(rule.code, {}).update(_own_options(rule, values))
    for word, values in config.rules.items():
        several = match_rules(word, where)
        for name, value in values.items():
            with config_steps("rules", word, name):
                _check_option(word, several, name, value, where)
    return options


def _check_option(word: str, several: list[Rule], name: str, value: object, where: str) -> None:
    """Raise SegdataError if none of the rules that `word` matches has the option, or one refuses the value."""
    names = sorted({name for rule in several for name in rule.options})
    if name not in names and len(several) > 1:
        raise SegdataError(f"{where}: no rule of {word!r} has an option {name!r}{did_you_mean(name, names)}")
    for rule in several:
        if name in rule.options or len(several) == 1:
            rule.check_options({name: value}, where)


def _own_options(rule: Rule, given: dict[str, Any]) -> dict[str, Any]:  # Any: as above
    return {name: value for name, value in given.items() if name in rule.options}


def _by_rule(configured: dict[str, T], key: str, *steps: str | int) -> Iterable[tuple[Rule, T]]:
    """The configured values by rule, from values by word; the most specific words come last."""
    matches = []
    for word, value in configured.items():
        with config_steps(*steps, word):
            matches.append((match_rules(word, f"{CONFIG_FILE}: {key}"), value))
    for several, value in sorted(matches, key=lambda match: -len(match[0])):
        for rule in several:
            yield rule, value
