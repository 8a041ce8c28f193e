"""STEP classes: the numbers of KITTI-STEP, which are Cityscapes' train ids, of MOTChallenge-STEP, or a dataset's own.

Source: google-research/deeplab2 g3doc/setup/kitti_step.md, g3doc/setup/motchallenge_step.md and data/dataset.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segdata.core.errors import SegdataError, UnreadableError, check_choice
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names
from segdata.formats.street.cityscapes_table import LABELS, TRAINED

VOID = 255
TAXONOMY = "taxonomy"  # the numbers are the ids of the taxonomy
_TRACKED = frozenset({"person", "car"})  # the others have no instances in STEP
_MERGED = ("sidewalk", "building", "vegetation", "sky", "person", "rider", "bicycle")
_ALSO = {"person": "pedestrian"}  # as MOTS calls it


def _benchmark(labels: Mapping[int, Category]) -> Taxonomy:
    return Taxonomy(
        categories=(
            *(
                Category(
                    id=number,
                    name=label.name,
                    kind="thing" if label.name in _TRACKED else "stuff",
                    color=label.color,
                    parent=label.parent,
                )
                for number, label in sorted(labels.items())
            ),
            Category(id=VOID, name="void", kind="void", color=(0, 0, 0)),
        )
    )


_TRAINED = {number: LABELS.by_id()[id_] for number, id_ in TRAINED.items()}
_BY_NAME = {label.name: label for label in _TRAINED.values()}
BENCHMARKS = {
    "kitti": _benchmark(_TRAINED),
    "motchallenge": _benchmark({number: _BY_NAME[name] for number, name in enumerate(_MERGED)}),
}
CHOICES = (*BENCHMARKS, TAXONOMY)


@dataclass(frozen=True, slots=True)
class StepClasses:
    """What the classes of a dataset are.

    Attributes
    ----------
    naming : of their names
    category : class -> category id
    unlabelled : class 255 is unlabelled, not void: the user's taxonomy says so
    """

    naming: CategoryNames
    category: Mapping[int, int]
    unlabelled: bool = False


def read_classes(root: Path, given: Taxonomy | None, labels: str, occurring: Callable[[], set[int]]) -> StepClasses:
    """The classes by `labels`, one of `CHOICES`.

    Where that is empty they are the ids of a taxonomy that shares no name with the benchmarks, else those of the
    benchmark in which the classes occur (`occurring` looks into some masks). Raises UnreadableError where that does not
    decide it.
    """
    if not labels and given is not None and not _BY_NAME.keys() & given.by_name().keys():
        labels = TAXONOMY
    chosen = labels or _guessed(root, occurring())
    check_choice("labels", chosen, CHOICES)
    void = None if given is None else next(iter(given.void_ids), None)
    nobody = given is not None and void is None and given.unlabelled_id == VOID
    if chosen != TAXONOMY:
        return _of_benchmark(BENCHMARKS[chosen], given, void, nobody)
    if given is None:
        raise UnreadableError(f"{root}: labels=taxonomy needs a taxonomy; write taxonomy.yaml, or give --taxonomy")
    ids = {id_: id_ for id_ in given.by_id()}
    return StepClasses(CategoryNames(given, True, {}), ids if void is None else ids | {VOID: void}, nobody)


def _of_benchmark(own: Taxonomy, given: Taxonomy | None, void: int | None, nobody: bool) -> StepClasses:
    """A benchmark's classes; in the user's taxonomy the first category of kind void stands for void."""
    there = set() if given is None else given.by_name().keys()
    names = {
        each.id: _ALSO[each.name] if each.name not in there and _ALSO.get(each.name) in there else each.name
        for each in own.categories
        if each.id != VOID or (void is None and not nobody)
    }
    known = resolve_names(names.values(), given, own)
    category = {number: known.to[name] for number, name in names.items()}
    return StepClasses(known, category if void is None else category | {VOID: void}, nobody)


def _guessed(root: Path, found: set[int]) -> str:
    """The benchmark whose classes these are: only KITTI-STEP has more than seven."""
    more = set(range(len(_MERGED), len(_TRAINED)))
    if found & more:
        return "kitti"
    raise UnreadableError(
        f"{root}: the classes {sorted(found)} may be KITTI-STEP's or MOTChallenge-STEP's; give the option "
        "labels=kitti, labels=motchallenge, or labels=taxonomy where they are the ids of a taxonomy"
    )


def written_classes(taxonomy: Taxonomy, labels: str | None) -> tuple[dict[int, int], str]:
    """Category id -> class, those of kind void left out, and which of `CHOICES` that is.

    KITTI-STEP's numbers where it has all names, else the ids themselves. Raises SegdataError for names that the
    benchmark asked for does not have, and for ids beyond 254.
    """
    first = taxonomy.by_id()
    categories = [each for each in taxonomy.categories if each.kind != "void" and first[each.id] is each]
    if labels is not None:
        check_choice("labels", labels, CHOICES)
    for benchmark, own in BENCHMARKS.items():
        number = {each.name: each.id for each in own.categories if each.kind != "void"}
        number |= {_ALSO[name]: id_ for name, id_ in number.items() if name in _ALSO}
        missing = [each.name for each in categories if each.name not in number]
        taken = [number[each.name] for each in categories if each.name in number]
        if labels == benchmark and (missing or len(set(taken)) < len(taken)):
            raise SegdataError(
                f"labels={benchmark}: {missing[0] if missing else 'pedestrian'!r} is no class of its own"
            )
        if labels in (None, benchmark) and not missing and len(set(taken)) == len(taken):
            return {each.id: number[each.name] for each in categories}, benchmark
    over = [each.id for each in categories if not 0 <= each.id < VOID]
    if over:
        raise SegdataError(
            f"category id {over[0]} does not fit the 8 bits of STEP (0 to {VOID - 1}); give it another id"
        )
    return {each.id: each.id for each in categories}, TAXONOMY
