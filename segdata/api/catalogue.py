"""Catalogue: the installed rules and formats, those of plugins among them."""

from segdata.core.format import Format, formats
from segdata.core.rule import Rule, find_rule, rules
from segdata.report.console import Console
from segdata.report.reference_pages import rule_group_text, rule_text


def list_rules() -> list[Rule]:
    """All rules, by code: `code`, `name`, `severity`, `options` and others.

    >>> [rule.code for rule in list_rules() if rule.name == "speck"]
    ['SEG106']
    """
    return list(rules().values())


def list_formats() -> list[Format]:
    """All formats, by name: `name`, `summary`, `read_options`, `write_options` and others.

    >>> "coco-panoptic" in [format.name for format in list_formats()]
    True
    """
    return list(formats().values())


def explain(code: str) -> str:
    """What a rule flags, why, and how to fix it, as ``segdata explain`` prints it.

    `code`: the code or the name of the rule; the beginning of codes, such as SEG1, lists a group. Raises SegdataError
    with the closest rule for an unknown one.

    >>> print(explain("speck").splitlines()[0])  # doctest: +ELLIPSIS
    SEG106 speck...
    """
    return rule_group_text(code, Console()) or rule_text(find_rule(code), Console())
