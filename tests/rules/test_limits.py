"""What every rule says of its pictures and of small scenes, and between which values of its options.

`limits.txt` holds, of each picture and scene, the findings, and for each option the values around the one in use with
which the same is found: `min_pixels [2, 16]` is no longer the same with 1 and with 17, `max_share (1/13, ...]` not at
1/13, but just above it; `~` stands before a limit that is known roughly. A limit that moves, or that no longer belongs
to the side it is documented for, shows here, as does a figure in a message. To accept a change, run
`SEGDATA_RECORD=1 python -m pytest tests/rules/test_limits.py -k SEG106`, and read the diff.
"""

import math
import os
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from segdata.core.config import Config
from segdata.core.finding import RowFinding
from segdata.core.rule import Rule, Tables, find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture, read_pictures
from tests.rules.scenes import SCENES
from tests.rules.test_pictures import OURS

FILE = Path(__file__).parent / "limits.txt"
RECORD = bool(os.environ.get("SEGDATA_RECORD"))
NEAR = 1e-6  # of a limit: so near to it the outcome is tried on both sides
SMALLEST, LARGEST = 1e-4, 1e5
LIMIT = re.compile(r"  (\w+) ([\[(])(\S+), (\S+)([\])])")
Number = int | float
Found = list[tuple[Any, ...]]  # Any: rows, pixels and names


def cases_of(rule: Rule) -> Iterator[tuple[str, Callable[[], Tables], dict[str, Any]]]:  # Any: options of all types
    """Names, what makes the tables, and options."""
    for number, picture in enumerate(read_pictures(rule.page)):
        yield (
            f"picture {number}",
            partial(measure_source, draw_picture(picture.text), rule.needs, jobs=1),
            picture.options,
        )
    for name, (code, tables, options) in SCENES.items():
        if code == rule.code:
            yield name, tables, options


RULES = [rule for rule in OURS if any(True for _ in cases_of(rule))]


def find(rule: Rule, tables: Tables, options: dict[str, Any]) -> Found:
    """What the rule finds, without the messages, which name the limits."""
    found: list[RowFinding] = list(rule.check(tables, **options)) if rule.applies(tables.profile) else []
    return [(one.image, one.annotation, one.segments, one.category, one.pixels, one.severity) for one in found]


def limits_of(rule: Rule, options: dict[str, Any]) -> dict[str, Number]:
    """The options that are numbers, with the values in use."""
    values = rule.options | options
    return {name: value for name, value in values.items() if type(value) in (int, float)}


def steps(value: Number, sign: int) -> Iterator[Number]:
    """Values away from this one, further and further."""
    if isinstance(value, int):
        yield from (value + sign * 2**k for k in range(18) if value + sign * 2**k >= 0)
        yield from [0] if sign < 0 < value else []
    else:
        other = value
        while SMALLEST < other < LARGEST:
            other *= 2.0**sign
            yield other
        yield from [0.0] if sign < 0 < value else []


def edge(same: Callable[[Number], bool], value: Number, sign: int) -> Number | None:
    """The last value in this direction with which the same is found, to 12 digits; None if none is the last."""
    inside = value
    for outside in steps(value, sign):
        if not same(outside):
            break
        inside = outside
    else:
        return None
    while abs(outside - inside) > (1 if isinstance(value, int) else 1e-12 + 1e-12 * abs(inside)):
        middle = (inside + outside) // 2 if isinstance(value, int) else (inside + outside) / 2
        inside, outside = (middle, outside) if same(middle) else (inside, middle)
    return inside


def written(limit: Number | None, same: Callable[[Number], bool], sign: int) -> tuple[str, bool]:
    """A limit as text, and whether the same is found at it; `~` stands before one that is only known roughly.

    Only a fraction that the rule computes to the last bit is known exactly.
    """
    if limit is None or isinstance(limit, int):
        return "..." if limit is None else str(limit), True
    fraction = Fraction(limit).limit_denominator(5000)
    value = float(fraction)
    inside, outside = (math.nextafter(value, side * sign * math.inf) for side in (-1, 1))
    if abs(value - limit) > 1e-11 + 1e-10 * abs(limit) or not same(inside) or same(outside):
        return f"~{limit:.9g}", True
    text = f"{value:g}"
    return (text if float(text) == value and fraction.denominator <= 100 else str(fraction)), same(value)


def describe(rule: Rule, tables: Tables, options: dict[str, Any]) -> Iterator[str]:
    """The lines of `limits.txt` about one picture or scene."""
    yield from messages(rule, tables, options)
    usual = find(rule, tables, options)
    for name, value in limits_of(rule, options).items():

        def same(other: Number, name: str = name) -> bool:
            return find(rule, tables, options | {name: other}) == usual

        (low, at_low), (high, at_high) = (written(edge(same, value, sign), same, sign) for sign in (-1, 1))
        if (low, high) != ("...", "..."):
            yield f"  {name} {'(['[at_low]}{low}, {high}{')]'[at_high]}"


def messages(rule: Rule, tables: Tables, options: dict[str, Any]) -> Iterator[str]:
    """What the rule says."""
    for one in run_rules(tables, [rule], Config(rules={rule.code: options})).findings:
        place = " ".join(filter(None, (one.image, one.annotator, one.category)))
        yield f"  {one.severity} {place}, {one.pixels} px at {one.bbox}, segments {one.segments}: {one.message}"


@cache
def recorded() -> dict[str, list[str]]:
    """The lines of the file, by heading."""
    blocks = [block.splitlines() for block in FILE.read_text("utf-8").split("\n\n") if block.strip()]
    return {block[0]: block[1:] for block in blocks}


def record(rule: Rule) -> None:
    """Write the lines about a rule."""
    blocks = recorded() if FILE.exists() else {}
    blocks |= {heading(rule, name): list(describe(rule, make(), options)) for name, make, options in cases_of(rule)}
    ordered = [heading(one, name) for one in RULES for name, *_ in cases_of(one)]
    FILE.write_text("\n\n".join("\n".join([one, *blocks[one]]) for one in ordered if one in blocks) + "\n", "utf-8")
    recorded.cache_clear()


def heading(rule: Rule, name: str) -> str:
    """Of a picture or scene in the file."""
    return f"{rule.code} {rule.name}: {name}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_same_is_found_up_to_the_limits_and_not_beyond(rule: Rule) -> None:
    if RECORD:
        record(rule)
    for name, make, options in cases_of(rule):
        title = heading(rule, name)
        advice = f"SEGDATA_RECORD=1 python -m pytest tests/rules/test_limits.py -k {rule.code}"
        assert title in recorded(), f"{FILE.name} lacks {title!r}; {advice} adds it"
        lines, tables = recorded()[title], make()
        limits = [match.groups() for match in map(LIMIT.fullmatch, lines) if match]
        assert lines[: len(lines) - len(limits)] == list(messages(rule, tables, options)), name
        usual, in_use = find(rule, tables, options), limits_of(rule, options)
        for option, left, low, high, right in limits:
            for limit, is_inside, sign in ((low, left == "[", -1), (high, right == "]", 1)):
                for value, expected in probes(limit, is_inside, sign, whole=isinstance(in_use[option], int)):
                    same = find(rule, tables, options | {option: value}) == usual
                    assert same == expected, f"{name}: {option}={value}"


def probes(limit: str, is_inside: bool, sign: int, whole: bool) -> Iterator[tuple[Number, bool]]:
    """Values at and near a limit, and whether the same is found with them."""
    if limit == "...":
        return
    if whole:
        yield int(limit), True
        yield int(limit) + sign, False
        return
    value = float(Fraction(limit.removeprefix("~")))
    if not limit.startswith("~"):
        yield value, is_inside
    far = sign * max(abs(value) * NEAR, 1e-9)
    yield value - far, True
    yield value + far, False


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_value_that_a_configuration_may_set_can_be_judged(rule: Rule) -> None:
    _, make, options = next(cases_of(rule))
    tables = make()
    for name, value in limits_of(rule, options).items():
        for other in (0, 1, 2**62):
            rule.check_options({name: other}, "here")
            find(rule, tables, options | {name: type(value)(other)})


def test_the_file_has_nothing_else() -> None:
    assert list(recorded()) == [heading(rule, name) for rule in RULES for name, *_ in cases_of(rule)]


def test_a_limit_is_found_to_which_side_it_belongs() -> None:
    assert edge(lambda value: value <= 5, 3, 1) == 5

    def above(value: Number) -> bool:
        return value > 1 / 13

    assert written(edge(above, 0.5, -1), above, -1) == ("1/13", False)
    assert next(probes("1/13", False, -1, whole=False)) == (1 / 13, False)
    assert find_rule("SEG106").options.keys() == limits_of(find_rule("SEG106"), {}).keys()
