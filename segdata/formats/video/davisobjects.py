"""DAVIS objects: what the values of masks stand for, and which year's meaning 255 has."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segdata.core.errors import UnreadableError
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_files import decode_mask
from segdata.formats.shared.per_image import ImageEntry
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names
from segdata.formats.video.seen import Flags

VOID, OBJECT = 255, "object"
Listed = Mapping[Path, Mapping[int, str]]  # the folder of a sequence -> number of an object -> its category
_TRIED = 16  # sequences that are looked into to see what 255 means


@dataclass(frozen=True, slots=True)
class Objects:
    """What the values of masks stand for.

    Attributes
    ----------
    year : 2016 or 2017: what 255 is
    naming : of the categories
    void : the name of void
    only : the name of the category of all objects
    listed : the categories of objects instead; empty: there are none
    """

    year: int
    naming: CategoryNames
    void: str
    only: str
    listed: Listed

    @staticmethod
    def of(year: int, listed: Listed, given: Taxonomy | None) -> "Objects":
        """With the user's taxonomy: its first category of kind void is void, and its only other one all objects."""
        things = [each.name for each in given.categories if each.kind != "void"] if given else []
        void = next((each.name for each in given.categories if each.kind == "void"), "void") if given else "void"
        only = things[0] if len(things) == 1 else OBJECT
        named = sorted({name for objects in listed.values() for name in objects.values()}) or [only]
        own = Taxonomy(
            categories=(
                *(Category(id=id_, name=name) for id_, name in enumerate(named, 1) if name != void),
                Category(id=max(VOID, len(named) + 1), name=void, kind="void"),
            )
        )
        return Objects(year, resolve_names([*named, void], given, own), void, only, listed)

    def categories(self, values: Ints, folder: Path) -> tuple[Ints, Flags]:
        """The category id (k,) of each value in a sequence's masks, 0 where there is none, and whether there is one."""
        names: dict[int, str] = dict(self.listed.get(folder, {}))
        if not self.listed:
            names = {VOID: self.only} if self.year == 2016 else dict.fromkeys(range(1, VOID), self.only)
        if self.year != 2016:
            names[VOID] = self.void
        known = np.array([value in names for value in values.tolist()], bool)
        to = self.naming.to
        return np.array([to[names[value]] if value in names else 0 for value in values.tolist()], np.int64), known


def year_by_values(root: Path, entries: Sequence[ImageEntry]) -> int:
    """2016 where some sequences hold 0 and 255 alone, 2017 where they hold other values; UnreadableError for both."""
    sequences: dict[Path, list[Path]] = {}
    for entry in entries:
        for path in entry.files:
            sequences.setdefault(path.parent, []).append(path)
    every = list(sequences.values())
    years = {year for frames in every[:: max(1, len(every) // _TRIED)][:_TRIED] if (year := _year_of(frames))}
    if len(years) > 1:
        raise UnreadableError(
            f"{root}: some sequences hold the values 0 and 255 alone, as in DAVIS 2016, others more, as in 2017; give "
            "the option year=2016 (255 is the object) or year=2017 (255 is void)"
        )
    return years.pop() if years else 2017


def _year_of(frames: list[Path]) -> int | None:
    """The year that the values of one sequence speak of; looks no further than the first number of an object."""
    year = None
    for path in frames:
        with suppress(OSError):
            values = decode_mask(path).values
            if ((values > 0) & (values < VOID)).any():
                return 2017
            year = 2016 if (values == VOID).any() else year
    return year
