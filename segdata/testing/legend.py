"""Legends: the lines below a picture, and the taxonomy that they and the letters speak of."""

import re
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from segdata.core.relations import Relation
from segdata.core.taxonomy import Attribute, Category, Expected, MaxVoid, Size, Taxonomy

_KINDS = ("thing", "stuff", "void")
_LINE = re.compile(r"(\w(?:, \w)*|task|coverage|overlap|max_void|category|split|encoding|sequence|frame)(:| =) (.+)")


@dataclass(slots=True)
class Entry:
    """`car (thing, id 7)`: a name and the words in brackets, each with what follows it."""

    name: str
    words: dict[str, str]

    @staticmethod
    def of(text: str) -> "Entry":
        """The entry that a text shows."""
        name, _, words = text.strip().removesuffix(")").partition("(")
        pairs = (word.strip().partition(" ") for word in words.split(",") if word.strip())
        return Entry(name.strip(), {word: rest.strip() for word, _, rest in pairs})

    @property
    def kind(self) -> Any:  # Any: Category checks it
        """The kind of the category, where one is said."""
        return next((kind for kind in _KINDS if kind in self.words), None)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Attributes and their values, `driven = parked`."""
        return [(word, rest[1:].strip()) for word, rest in self.words.items() if rest.startswith("=")]

    def names(self, word: str) -> tuple[str, ...]:
        """The names after a word."""
        return tuple(self.words.get(word, "").split())

    def category(self, place: int) -> Category:
        """The entry of a taxonomy; `place` is its id where it names none."""
        color, size, expected = self.numbers("color"), self.numbers("size"), self.names("expected")
        share = float(expected[0]) if expected and expected[0][0].isdigit() else None
        made = Category(
            id=int(self.words.get("id", place)),
            name=self.name,
            kind=self.kind or "thing",
            color=None if color is None else tuple(int(value) for value in color),
            parent=self.words.get("parent"),
            aliases=self.names("alias"),
            thin="thin" in self.words,
            attributes=tuple(Attribute(name, tuple(values.split()), True) for name, values in self.said),
            expected=Expected(least_share=share, whenever=() if share else expected) if expected else None,
            size=None if size is None else Size(min_pixels=int(size[0]), max_pixels=int(size[1])),
        )
        return msgspec.structs.replace(made, **{name: self.names(name) for name in get_args(Relation)})

    def numbers(self, word: str) -> list[float] | None:
        """The numbers after a word; None where it is not said."""
        return [float(each) for each in self.words[word].split()] if word in self.words else None


@dataclass(slots=True)
class Legend:
    """What the lines of a picture say: pixels, segments, shared pixels, categories, and the rest by its name."""

    images: list[list[str]] = field(default_factory=list)
    details: list[dict[str, str]] = field(default_factory=list)
    letters: dict[str, Entry] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def taxonomy(self) -> Taxonomy:
        """The categories that are entered, and after them those that only letters name."""
        categories = tuple(entry.category(place) for place, entry in enumerate(self._every_entry(), start=1))
        share = self.settings.get("max_void")
        return Taxonomy(categories=categories, max_void=None if share is None else MaxVoid(image=float(share)))

    def unknown(self) -> dict[str, int]:
        """The names that the taxonomy lacks, with negative ids."""
        names = dict.fromkeys(entry.name for entry in self.letters.values() if "unknown" in entry.words)
        return {name: -1 - place for place, name in enumerate(names)}

    def aliases_used(self) -> list[str]:
        """The names of letters that are old names of categories."""
        names = {entry.name for entry in self._every_entry()} | self.unknown().keys()
        return sorted({entry.name for entry in self.letters.values()} - names)

    def _every_entry(self) -> list[Entry]:
        entered = {name for entry in self.entries for name in (entry.name, *entry.names("alias"))}
        others = {each.name: each for each in reversed(self.letters.values()) if "unknown" not in each.words}
        order = [each.name for each in self.letters.values() if each.name in others]
        made = [Entry(name, {others[name].kind: ""} if others[name].kind else {}) for name in dict.fromkeys(order)]
        return self.entries + [entry for entry in made if entry.name not in entered]


def read_legend(text: str) -> Legend:
    """What a picture shows and says; raises ValueError for a line that is neither."""
    legend, within = Legend(), False
    for line in text.splitlines():
        said = _LINE.fullmatch(line.strip())
        if said is None and " " in line.strip():
            raise ValueError(f"{line!r} is neither a row of a picture nor a line about it")
        if said is None and line.strip():
            if not within:
                legend.images.append([])
                legend.details.append({})
            legend.images[-1].append(line.strip())
        within = said is None and bool(line.strip())
        if said is None:
            continue
        name, sign, rest = said.groups()
        if sign == " =":
            legend.shared[name] = rest.replace(" + ", "")
        elif name == "category":
            legend.entries.append(Entry.of(rest))
        elif name in ("split", "encoding", "frame"):
            legend.details[-1][name] = rest
        elif len(name) > 1 and "," not in name:
            legend.settings[name] = rest
        else:
            legend.letters |= {letter: Entry.of(rest) for letter in name.split(", ")}
    drawn_letters = {each for rows in legend.images for row in rows for each in row} - {"."} - legend.shared.keys()
    legend.letters |= {letter: Entry(letter, {}) for letter in sorted(drawn_letters - legend.letters.keys())}
    return legend
