"""Tags: what Supervisely lets people say about images and objects, and the attributes that they are here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from segdata.formats.shared.safe_parsers import encode_json, parse_json

Pairs = list[tuple[str, str]]  # name, value as JSON text
Tag = dict[str, Any]  # Any: JSON


def attributes_of(tags: object) -> dict[str, Any] | None:  # Any: JSON
    """The values of tags by name: true for one without value, a list for a name that is given several times.

    None where they are no tags.

    >>> attributes_of([{"name": "ripe"}, {"name": "spots", "value": 3}, {"name": "spots", "value": 4}])
    {'ripe': True, 'spots': [3, 4]}
    """
    if not isinstance(tags, list):
        return None
    values: dict[str, list[Any]] = {}
    for tag in tags:
        if not isinstance(tag, dict) or not isinstance(tag.get("name"), str):
            return None
        value = tag.get("value")
        values.setdefault(tag["name"], []).append(True if value is None else value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def pairs_of(attributes: dict[str, Any]) -> Pairs:  # Any: JSON
    """The attributes as a column has them."""
    return [(name, encode_json(value)) for name, value in attributes.items()]


@dataclass(frozen=True, slots=True)
class TagMetas:
    """The tags of a project that is written: a name has values of one type.

    Attributes
    ----------
    types : name -> none, any_number or any_string
    """

    types: dict[str, str] = field(default_factory=dict)

    def held(
        self, pairs: Iterable[Sequence[str]] | None, reserved: frozenset[str] = frozenset()
    ) -> tuple[list[Tag], int]:
        """The tags that hold attributes, and how many attributes no tag holds; names in `reserved` are taken."""
        tags: list[Tag] = []
        lost = 0
        for name, text in pairs or ():
            values = parse_json(text.encode())
            several = values if isinstance(values, list) and len(values) > 1 else [values]
            if name in reserved or not self._takes(name, several):
                lost += 1
            else:
                tags += [self.tag(name, value) for value in several]
        return tags, lost

    def tag(self, name: str, value: Any) -> Tag:  # Any: JSON
        """A tag, and its meta."""
        self.types.setdefault(name, str(_type(value)))
        return {"name": name} if value is True else {"name": name, "value": value}

    def _takes(self, name: str, values: list[Any]) -> bool:
        types = {_type(value) for value in values} | {self.types.get(name, _type(values[0]))}
        return len(types) == 1 and None not in types

    def listed(self) -> Iterator[Tag]:
        """As meta.json has them."""
        for name, type_ in self.types.items():
            yield {"name": name, "value_type": type_, "color": "#0F8A12"}


def _type(value: object) -> str | None:
    """The type of tags that have such values; None: there is none."""
    if isinstance(value, bool):
        return "none" if value else None
    return "any_number" if isinstance(value, int | float) else "any_string" if isinstance(value, str) else None
