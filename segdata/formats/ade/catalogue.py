"""Catalogue: the categories that the text files of all images name."""

from collections.abc import Mapping
from dataclasses import dataclass

from segdata.core.finding import Defect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.ade.note import Notes
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The categories of a dataset.

    Attributes
    ----------
    categories : the taxonomy, and the names that it lacks
    by_index : class index in the masks -> category id
    """

    categories: CategoryNames
    by_index: Mapping[int, int]


class Names:
    """Gathers names of categories, file by file."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self._by_index: dict[int, str] = {}
        self._index: dict[str, int] = {}
        self._wider: dict[int, str] = {}
        self._others: set[str] = set()

    def add(self, notes: Notes, file: str) -> None:
        """Take in the text file of one image."""
        for note in notes.objects:
            if note.category is None:
                self._others.add(note.name)
                continue
            before = self._by_index.setdefault(note.category, note.name)
            first = self._index.setdefault(note.name, note.category)
            if before != note.name:
                message = f"name_ndx {note.category} is {before!r} in other files, {note.name!r} here"
                self.defects.append(Defect("SEG202", message, file, f"{note.place}/name"))
            elif first != note.category:
                message = f"{note.name!r} is name_ndx {first} in other files, {note.category} here"
                self.defects.append(Defect("SEG202", message, file, f"{note.place}/name_ndx"))
        for index, terms in notes.hypernyms.items():
            self._wider.setdefault(index, terms)

    def catalogue(self, given: Taxonomy | None) -> Catalogue:
        """The categories: things all of them, since every region is an instance; names go before indices.

        An index that no file names is the category of this id in the user's taxonomy.
        """
        own = Taxonomy(
            categories=tuple(
                Category(id=index, name=name, kind="thing", definition=self._wider.get(index))
                for index, name in sorted(self._by_index.items())
                if self._index[name] == index
            ),
            unlabelled=0,
        )
        found = resolve_names([*self._index, *self._others], given, own)
        by_index = {index: found.to[name] for index, name in self._by_index.items()}
        named = {each: each for each in given.by_id()} if given else {}
        return Catalogue(found, named | by_index)
