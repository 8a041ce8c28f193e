"""Settings: which rules a word of the configuration speaks of, and what the configuration says of each rule.

A word is a code, the beginning of codes, or the name of a rule, wherever rules are named. Where several words speak of
one rule, that which speaks of fewer rules goes before: ``severity: {SEG1: info, speck: error}`` makes specks errors.
"""

from collections.abc import Iterable
from typing import Any, Literal, TypeVar

from segdata.core.config import Config, Override, Suppression, nearest
from segdata.core.errors import SegdataError
from segdata.core.finding import Severity
from segdata.core.rule import Rule, rules

T = TypeVar("T")
Verdict = Severity | Literal["off"]
FILE = "segdata.yaml"


def rules_of(word: str, where: str) -> list[Rule]:
    """The rules with this code, with codes that begin like it, or with this name, in the order of the codes.

    Raises SegdataError, which begins with `where`, with the nearest known word where there is none.
    """
    known = rules().values()
    found = [rule for rule in known if word and (rule.code.startswith(word.upper()) or rule.name == word.lower())]
    if not found:
        hint = nearest(word.upper(), [rule.code for rule in known]) or nearest(word, [rule.name for rule in known])
        raise SegdataError(f"{where}: no rule has the code or name {word!r}{hint}")
    return found


def codes_of(words: str | Iterable[str], where: str) -> frozenset[str]:
    """The codes that a word, or any of several, stands for."""
    return frozenset(
        rule.code for word in ([words] if isinstance(words, str) else words) for rule in rules_of(word, where)
    )


def suppressions(config: Config) -> list[tuple[frozenset[str], Suppression]]:
    """What the configuration suppresses, and the codes that each speaks of."""
    return [(codes_of(each.code, f"{FILE}: suppress"), each) for each in config.suppress]


def overrides(config: Config) -> list[tuple[Override, dict[str, Verdict]]]:
    """What the configuration decides otherwise in some scopes: of each override code -> severity, or that it is off."""
    found = []
    for position, each in enumerate(config.overrides):
        where = f"overrides, entry {position + 1}"
        only = codes_of(each.select, f"{FILE}: {where}: select") or rules().keys()
        off = {*rules().keys() - only, *codes_of(each.ignore, f"{FILE}: {where}: ignore")}
        said = {rule.code: severity for rule, severity in _spread(each.severity, f"{where}: severity")}
        found.append((each, said | dict.fromkeys(off, "off")))
    return found


def severities(config: Config) -> dict[str, Verdict]:
    """Code -> the severity that the configuration gives it; the others have their own."""
    return {rule.code: severity for rule, severity in _spread(config.severity, "severity")}


def options(config: Config) -> dict[str, dict[str, Any]]:  # Any: each rule has its own options
    """Code -> the options that the configuration sets. A word for several rules sets those that have the option.

    Raises SegdataError for options that none of them has, and for values of another type than the default.
    """
    where = f"{FILE}: rules"
    for word, given in config.rules.items():
        several = rules_of(word, where)
        if len(several) == 1:
            several[0].check_options(given, where)
        known = sorted({name for rule in several for name in rule.options})
        for name in given:
            if name not in known:
                raise SegdataError(f"{where}: no rule of {word!r} has an option {name!r}{nearest(name, known)}")
        for rule in several:
            rule.check_options(_own(rule, given), where)
    found: dict[str, dict[str, Any]] = {}
    for rule, given in _spread(config.rules, "rules"):
        found.setdefault(rule.code, {}).update(_own(rule, given))
    return found


def _own(rule: Rule, given: dict[str, Any]) -> dict[str, Any]:  # Any: as above
    return {name: value for name, value in given.items() if name in rule.options}


def _spread(said: dict[str, T], key: str) -> Iterable[tuple[Rule, T]]:
    """What is said of words as said of rules; what goes before comes last."""
    spoken = [(rules_of(word, f"{FILE}: {key}"), value) for word, value in said.items()]
    for several, value in sorted(spoken, key=lambda each: -len(each[0])):
        for rule in several:
            yield rule, value
