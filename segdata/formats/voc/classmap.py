"""Class map: which category the values of class masks stand for, by label map, taxonomy, or as VOC's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.formats.shared.mask_files import MaskFile, ValueRuns
from segdata.formats.shared.mask_values import UNKNOWN, UNLABELLED, Legend, pack_color, voc_color
from segdata.formats.shared.taxonomies import VOID_NAMES, CategoryNames, resolve_names
from segdata.formats.voc.classes import BACKGROUND, VOC, VOID
from segdata.formats.voc.labelmap import BACKGROUND_NAMES, Listed, load_label_map


@dataclass(frozen=True, slots=True)
class ClassMap:
    """What the values of class masks stand for.

    Attributes
    ----------
    categories : the taxonomy, and the names that it lacks
    void : the category id of the value 255
    by_index : of palette and grey masks
    by_color : of RGB masks
    palettes : a label map tells the colours, so that those of a palette go before its indices
    doubts : what is not certain about all this
    """

    categories: CategoryNames
    void: int
    by_index: Legend
    by_color: Legend
    palettes: bool = False
    doubts: tuple[Defect, ...] = ()

    @property
    def taxonomy(self) -> Taxonomy:
        """The user's, else the label map's, else VOC's."""
        return self.categories.taxonomy

    def read(self, mask: MaskFile, runs: ValueRuns) -> Ints:
        """(k,) the category id of each value that a class mask has: NOBODY for background, UNKNOWN for strange ones."""
        if mask.coloured:
            return self.by_color.read(runs.value)
        if self.palettes and mask.palette is not None and runs.value[-1] < len(mask.palette):
            shown = mask.palette[runs.value].astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
            meaning = self.by_color.read(shown)
            if (meaning != UNKNOWN).all():
                return meaning
        return self.by_index.read(runs.value)


def class_map(folder: Path, given: Taxonomy | None, kind: CategoryKind, stems: Sequence[str]) -> ClassMap:
    """The class map of the dataset in a folder.

    Parameters
    ----------
    given : the user's taxonomy: names of a label map are looked up in it; without a label map its ids are the values
    kind : of the classes that a label map names
    stems : names of masks, which tell whether this is VOC itself
    """
    listed = load_label_map(folder)
    if listed is not None:
        return _by_label_map(listed, given, kind)
    if given is not None:
        return _by_ids(given, True)
    official = any(_of_challenge(stem) for stem in stems)
    return replace(_by_ids(VOC, official), doubts=() if official else (_doubt(),))


def _by_ids(taxonomy: Taxonomy, declared: bool) -> ClassMap:
    """Values are category ids, colours those of the categories."""
    by_index = {each: each for each in taxonomy.by_id()}
    by_color = {pack_color(color): category.id for color, category in taxonomy.by_color().items()}
    if taxonomy.unlabelled_id is not None:
        by_index[taxonomy.unlabelled_id] = UNLABELLED
    if taxonomy.unlabelled_color is not None:
        by_color[pack_color(taxonomy.unlabelled_color)] = UNLABELLED
    return _completed(CategoryNames(taxonomy, declared, {}), by_index, by_color)


def _by_label_map(listed: Sequence[Listed], given: Taxonomy | None, kind: CategoryKind) -> ClassMap:
    """Values are what the label map says, under the names that the user's taxonomy has for them."""
    known = given.by_name() if given else {}
    called = [each.name if each.name in known else each.name.strip() for each in listed]
    classes = {
        each: name
        for each, name in zip(listed, called, strict=True)
        if name in known or name.lower() not in BACKGROUND_NAMES
    }
    own = [
        Category(id=each.index, name=name, kind="void" if name.lower() in VOID_NAMES else kind, color=each.color)
        for each, name in classes.items()
    ]
    if len(listed) <= VOID and not any(each.kind == "void" for each in own):
        own.append(Category(id=VOID, name="void", kind="void", color=voc_color(VOID)))
    made = Taxonomy(categories=tuple(own), unlabelled=BACKGROUND)
    categories = resolve_names(classes.values(), given, made)
    meaning = {each: categories.to[classes[each]] if each in classes else UNLABELLED for each in listed}
    by_index = {each.index: id_ for each, id_ in meaning.items()}
    by_color = {pack_color(each.color): id_ for each, id_ in meaning.items()}
    return replace(_completed(categories, by_index, by_color), palettes=True)


def _completed(categories: CategoryNames, by_index: Mapping[int, int], by_color: Mapping[int, int]) -> ClassMap:
    """The class map with background and void at the values that VOC has for them, where these mean nothing else."""
    voids, unknown = categories.taxonomy.void_ids, dict(categories.unknown)
    if voids:
        void = VOID if VOID in voids else voids[0]
    else:
        void = max([VOID, *categories.taxonomy.by_id(), *unknown]) + 1
        unknown[void] = "void"
    return ClassMap(
        replace(categories, unknown=unknown),
        void,
        Legend.of({BACKGROUND: UNLABELLED, VOID: void, **by_index}),
        Legend.of({pack_color(voc_color(BACKGROUND)): UNLABELLED, pack_color(voc_color(VOID)): void, **by_color}),
    )


def _of_challenge(stem: str) -> bool:
    """Whether a mask is called as VOC's are: 2007_000032, in VOC2007 000032."""
    year, _, number = stem.rpartition("_")
    return len(number) == 6 and number.isdecimal() and (not year or (len(year) == 4 and year.isdecimal()))


def _doubt() -> Defect:
    message = (
        "nothing names the classes, so their values are read as VOC's (1 aeroplane, 2 bicycle …); if they are others, "
        "write labelmap.txt (name:r,g,b::) or taxonomy.yaml"
    )
    return Defect("SEG202", message, severity="info")
