"""Items of JSON lists as columns, compiled against the reference, and both against msgspec."""

import json
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core import kernels as chosen
from tests.core import reference_scan


@pytest.fixture(scope="session", params=["compiled", "reference"])
def kernels(request: pytest.FixtureRequest) -> Any:
    """The compiled kernels, and their oracle."""
    if request.param == "reference":
        return reference_scan
    if any(chosen.find_compiled(name) is None for name in NAMES):
        pytest.skip("not built")
    return SimpleNamespace(**{name: chosen.find_compiled(name) for name in NAMES})


NAMES = ("join_spans", "scan_items", "skip_json", "value_spans")
NUMBERS, TEXTS, OTHERS = [b"id", b"width"], [b"name"], [b"box"]
KNOWN = ("id", "width", "name", "box")
keys = st.sampled_from([*KNOWN, "é", "x", 'q"', "\n"])
leaves = st.one_of(
    st.integers(-(10**20), 10**20),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.text('ab"\\{}[]:,é\u20ac', max_size=3),
)
values = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)), max_leaves=8
)
items = st.one_of(st.dictionaries(keys, values, max_size=5), st.dictionaries(keys, st.integers(0, 99)), values)
spaces = st.sampled_from(["", " ", "\n\t "])


def written(value: Any, space: str, ascii_only: bool) -> str:
    """JSON with blanks wherever they may be."""
    if isinstance(value, dict):
        pairs = [(json.dumps(k, ensure_ascii=ascii_only), written(v, space, ascii_only)) for k, v in value.items()]
        return "{" + space + f"{space},{space}".join(f"{k}{space}:{space}{v}" for k, v in pairs) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(written(item, space, ascii_only) for item in value) + space + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def scan(kernels: ModuleType, data: bytes, portion: int = 10**9) -> tuple[Any, ...]:
    """The whole list, portion by portion: state, end, places, values, flags, wide, repeats."""
    text, at, state = np.frombuffer(data, np.uint8), 1, 0
    pieces = []
    while state == 0 and at < len(text):
        state, at, *columns = kernels.scan_items(text, at, min(at + portion, len(text)), NUMBERS, TEXTS, OTHERS)
        pieces.append(columns)
    places, numbers, flags, wide, repeats = zip(*pieces, strict=True)
    return state, at, *(np.concatenate(part).tolist() for part in (places, numbers, flags)), any(wide), any(repeats)


@settings(max_examples=300, deadline=None)
@given(st.lists(items, max_size=4), spaces, st.booleans(), st.integers(1, 60))
def test_items_are_those_of_msgspec(
    kernels: ModuleType, listed: list[Any], space: str, ascii_only: bool, n: int
) -> None:
    data = written(listed, space, ascii_only).encode()
    state, end, places, numbers, flags, wide, repeats = scan(kernels, data, n)
    names = [key for item in listed if isinstance(item, dict) for key in item]
    escaped = any("\\" in json.dumps(key, ensure_ascii=ascii_only) for key in names)
    if escaped or b"\\ud" in data:
        assert state == -1 or b"\\ud" in data
        return
    assert (state, end) == (1, len(data))
    assert [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])] == [data[a:b] for a, b in places]
    assert wide == (not data.isascii())
    assert not repeats or listed
    for item, row, flag in zip(listed, numbers, flags, strict=True):
        plain = isinstance(item, dict) and all(
            isinstance(item.get(key), int) and not isinstance(item.get(key), bool) and abs(item[key]) < 10**18
            for key in ("id", "width")
        )
        plain = (
            plain
            and isinstance(item.get("name"), str)
            and "\\" not in json.dumps(item["name"], ensure_ascii=ascii_only)
        )
        assert bool(flag & 2) == (not plain)
        assert bool(flag & 1) == (isinstance(item, dict) and bool(item.keys() - set(KNOWN)))
        if plain:
            assert row[:2] == [item["id"], item["width"]]
            assert data[row[2] : row[3]].decode() == json.dumps(item["name"], ensure_ascii=ascii_only)[1:-1]


@settings(max_examples=300, deadline=None)
@given(st.lists(items, min_size=1, max_size=3), spaces, st.data())
def test_broken_lists_end_alike(kernels: ModuleType, listed: list[Any], space: str, data: st.DataObject) -> None:
    """A letter more, less or another: what is accepted, msgspec accepts, too, and both kernels agree."""
    whole = written(listed, space, data.draw(st.booleans())).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    letter = data.draw(st.sampled_from([b"", *(bytes([c]) for c in b'{}[],:"\\0e.-u \x01\xff')]))
    broken = whole[:at] + letter + whole[at + data.draw(st.integers(0, 1)) :]
    if not broken.startswith(b"["):
        return
    result, oracle = scan(kernels, broken), scan(reference_scan, broken)
    assert result[0] == oracle[0]
    if result[0] == 1:
        assert result == oracle
        text = broken[: result[1]].decode("utf-8", "replace").encode()
        assert len(msgspec.json.decode(text, type=list[msgspec.Raw])) == len(result[2])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(keys, values, max_size=5), max_size=4), spaces)
def test_spans_hold_the_values(kernels: ModuleType, listed: list[dict[str, Any]], space: str) -> None:
    data = written(listed, space, False).encode()
    text = np.frombuffer(data, np.uint8)
    raws = msgspec.json.decode(data, type=list[msgspec.Raw])
    last = np.cumsum([0, *map(len, raws)])
    places = [data.index(bytes(raw), int(begin)) for raw, begin in zip(raws, last[:-1], strict=True)]
    first = np.array(places, np.int64)
    spans = kernels.value_spans(text, first, first + np.diff(last), [b"box", b"id"])
    for column, key in zip(spans, ("box", "id"), strict=True):
        joined = json.loads(kernels.join_spans(text, *column))
        assert joined == [item.get(key) for item in listed]
        assert [begin < 0 for begin in column[0].tolist()] == [key not in item for item in listed]


@pytest.mark.parametrize(
    ("text", "flag"), [(b'[{"id": 1, "id": 2}]', 2), (b'[{"a": {"b": 1, "b": 2}}]', 3), (b'[{"x": 1, "x": 1}]', 3)]
)
def test_repeated_keys_are_noticed(kernels: ModuleType, text: bytes, flag: int) -> None:
    state, *_, flags, _, repeats = scan(kernels, text)
    assert (state, flags, repeats) == (1, [flag], True)


def test_an_object_of_many_keys_may_repeat_one(kernels: ModuleType) -> None:
    few, many = (json.dumps([{str(k): 1 for k in range(n)}]).encode() for n in (24, 25))
    assert not scan(kernels, few)[-1]
    assert scan(kernels, many)[-1]


@pytest.mark.parametrize("depth", [62, 63, 200, 100_000])
def test_deep_values_are_left_to_others(kernels: ModuleType, depth: int) -> None:
    text = b'[{"a": ' + b"[" * depth + b"]" * depth + b"}]"
    assert scan(kernels, text)[0] == (1 if depth <= 62 else -1)
    assert (kernels.skip_json(np.frombuffer(text, np.uint8), 7)[0] > 0) == (depth <= 64)


@pytest.mark.parametrize("text", [b"", b"[", b"[{", b'[{"id"', b'[{"id": 1', b'"', b"[-", b"[1.", b"]", b"[]]"])
def test_broken_text_does_no_harm(kernels: ModuleType, text: bytes) -> None:
    data = np.frombuffer(text, np.uint8)
    for at in range(len(text) + 2):
        kernels.skip_json(data, at)
        kernels.scan_items(data, at, len(text), NUMBERS, TEXTS, OTHERS)
        kernels.value_spans(data, np.array([at]), np.array([len(text)]), [b"id"])
        kernels.join_spans(data, np.array([at]), np.array([len(text)]))


def test_what_has_changed_since_is_read_without_harm(kernels: ModuleType) -> None:
    rng = np.random.default_rng(1)
    letters = np.frombuffer(b'{}[],:"\\ 01a', np.uint8)
    for _ in range(300):
        text = letters[rng.integers(0, len(letters), 40)]
        first = np.sort(rng.integers(-2, 44, 3))
        spans = kernels.value_spans(text, first, first + 9, [b"a", b""]) if kernels is not reference_scan else None
        if spans is not None:
            found = spans[:, 0] >= 0
            assert (spans[:, 1][found] <= len(text)).all()
            assert (spans[:, 0][found] < spans[:, 1][found]).all()
