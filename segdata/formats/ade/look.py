"""Look: what is drawn on one image of ADE20K, level by level."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.ade.catalogue import Catalogue
from segdata.formats.ade.drawn import Drawn, draw, missing_masks
from segdata.formats.ade.files import Files
from segdata.formats.ade.note import Notes
from segdata.formats.ade.regions import Regions, regions
from segdata.formats.ade.segments import Segments
from segdata.formats.shared.per_image import BrokenLabelsError, ImageAnnotation, ImageEntry, relative_path


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at images of a dataset.

    Attributes
    ----------
    root : where names in defects start
    catalogue : the categories
    with_masks : the masks of single objects are opened
    """

    root: Path
    catalogue: Catalogue
    with_masks: bool

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """The objects and parts of one image."""
        files: Files = entry.record
        notes = files.notes(self.root)
        defects = list(notes.defects)
        levels = self._levels(files, notes, defects)
        drawn = self._drawn(files, notes, levels[0].size, defects)
        every = Segments.of(levels, notes.objects, drawn, defects)
        category = self._categories(every, defects)
        kept = np.flatnonzero(category >= 0)
        if files.text is not None:
            defects += every.disagreements(relative_path(self.root, files.text))
        ids = every.ids()
        return [
            ImageAnnotation(
                size=levels[0].size,
                segment_id=ids[kept],
                category_id=category[kept],
                runs=every.runs.take(kept, len(ids)),
                columns=every.columns(kept, ids),
                encoding=levels[0].encoding,
                defects=defects,
            )
        ]

    def _levels(self, files: Files, notes: Notes, defects: list[Defect]) -> list[Regions]:
        """The regions of each level; raises BrokenLabelsError where not even objects can be read."""
        found: list[Regions] = []
        deepest = max([0, *files.parts, *(note.level for note in notes.objects)])
        for level in range(deepest + 1):
            path = files.parts.get(level) if level else files.seg
            if path is None:
                if any(note.level == level for note in notes.objects):
                    message = f"{Path(files.stem).name}_parts_{level}.png does not exist: its parts are left out"
                    defects.append(Defect("SEG002", message))
                continue
            expected = {note.category or 0 for note in notes.objects if note.level == level}
            try:
                each = regions(self.root, path, level, expected, self.catalogue.by_index)
            except BrokenLabelsError as broken:
                if not found:
                    raise
                defects += broken.defects
                continue
            if found and each.size != found[0].size:
                (height, width), (high, wide) = each.size, found[0].size
                message = f"the mask of parts is {width}x{height}, that of objects is {wide}x{high}"
                defects.append(Defect("SEG003", message, each.file, lost=True))
                continue
            defects += each.defects
            found.append(each)
        return found

    def _drawn(self, files: Files, notes: Notes, size: tuple[int, int], defects: list[Defect]) -> list[Drawn]:
        """Where the objects of the text file lie; nowhere where these are numbered."""
        if files.text is None or not any(note.id is not None for note in notes.objects):
            return []
        if self.with_masks:
            defects += missing_masks(self.root, notes.objects, relative_path(self.root, files.text))
        return [draw(self.root, note, size, self.with_masks, defects) for note in notes.objects]

    def _categories(self, every: Segments, defects: list[Defect]) -> Ints:
        """(n,) the category id of each segment; -1, with one SEG009 a class, where nothing names it."""
        named, by_index = self.catalogue.categories.to, self.catalogue.by_index
        category = np.full(len(every), -1, np.int64)
        for segment, index in enumerate(every.index.tolist()):
            note = every.note(segment)
            category[segment] = by_index.get(index, -1) if note is None else named[note.name]
        area = every.runs.areas(len(every))
        for index in np.unique(every.index[category < 0]).tolist():
            rows = np.flatnonzero((category < 0) & (every.index == index))
            place, pixels = every.first_pixel(int(rows[0])), int(area[rows].sum())
            message = f"nothing names class {index}: {pixels:,} px, the first at {place}"
            defects.append(Defect("SEG009", message, every.file[rows[0]], place, pixels=pixels))
        return category
