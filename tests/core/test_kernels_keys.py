"""Keys that an object has twice, against Python's own reader."""

import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

names = st.text('ab"\\{}[]:,é ', max_size=2)
leaves = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), names)


class Pairs(list[tuple[str, Any]]):
    """An object with all of its keys."""


values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(names, inner), max_size=4).map(Pairs),
        st.lists(st.floats(0, 9), min_size=20, max_size=30),
    ),
    max_leaves=12,
)


def write(value: Any, space: str) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{space}{json.dumps(k)}{space}:{write(v, space)}" for k, v in value) + space + "}"
    if isinstance(value, list):
        return "[" + f",{space}".join(write(item, space) for item in value) + "]"
    return json.dumps(value)


def count_repeated(text: str) -> list[str]:
    """The keys that come again, as Python's reader sees them."""
    repeated: list[str] = []

    def hook(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        repeated.extend(key for i, key in enumerate(keys) if key in keys[:i])

    json.loads(text, object_pairs_hook=hook)
    return sorted(repeated)


def key_at(text: bytes, position: int) -> str:
    key, _ = json.JSONDecoder().raw_decode(text[position:].decode())
    return str(key)


@given(values, st.sampled_from(["", " ", "\n\t "]))
def test_repeated_keys_are_those_of_python(kernels: ModuleType, value: Any, space: str) -> None:
    text = write(value, space)
    data = text.encode()
    found = kernels.repeated_keys(data).tolist()
    assert found == sorted(found)
    assert sorted(key_at(data, position) for position in found) == count_repeated(text)


@pytest.mark.parametrize("n", [2, 24, 25, 500])
def test_large_objects_are_sorted_instead_of_compared(kernels: ModuleType, n: int) -> None:
    keys = [f'"key number {i}": [1, 2]' for i in range(n)]
    text = "{" + ", ".join([*keys, keys[n // 2]]) + "}"
    assert kernels.repeated_keys(text.encode()).tolist() == [text.rindex(keys[n // 2])]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a"', b'}"a":1}', b'{"a":1,"a', b"\xff{{}}"])
def test_broken_text_does_no_harm(kernels: ModuleType, text: bytes) -> None:
    assert kernels.repeated_keys(text).tolist() == []


def test_a_text_that_is_no_key_does_not_count(kernels: ModuleType) -> None:
    assert kernels.repeated_keys(b'{"a": "a", "b": ["a", "a"], "c": {"a": 1}}').tolist() == []
