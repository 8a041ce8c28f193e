"""Campaigns: simulated annotators of the same or of different images, as measured tables."""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from segdata.core.rule import Tables
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.testing.pictures import draw_picture

CATEGORIES = ("car", "person", "sign", "tree")
SIDE = 100  # pixels of an image


@dataclass(frozen=True)
class Habit:
    """How somebody draws: the chance to miss a category, how much larger things get, and the share given up as void."""

    misses: float = 0.05
    grows: float = 1.0
    void: float = 0.01


def empty(task: str = "instance") -> Tables:
    """Tables without rows, of the categories above and void."""
    legend = "\n".join(f"category: {name}" for name in CATEGORIES)
    return measure_source(draw_picture(f"task: {task}\n{legend}\ncategory: void (void)"), frozenset(), jobs=1)


def with_tables(tables: Tables, **others: Table) -> Tables:
    """The tables with others in place of those of these names."""
    rows = {name: others.pop(name) for name in ("images", "annotations", "segments") if name in others}
    return replace(tables, **rows, measured={**tables.measured, **others})


def campaign(
    rng: np.random.Generator, habits: dict[str, Habit], n_images: int, *, shared: bool = True, per_sequence: int = 1
) -> Tables:
    """Scenes of two cameras, drawn by each annotator (`shared`), or each by one drawn at random.

    Frames of a sequence show the same things, and one annotator makes the same mistakes in all of them.
    """
    names = list(habits)
    sequence = np.arange(n_images) // per_sequence
    camera = (sequence % 2).astype(bool)
    # What is there, by sequence: a camera sees its own mix.
    there = np.exp(rng.normal(0, 0.7, (n_images, 4)) + np.where(camera[:, None], [1.5, 0, 0.5, 0], [0.5, 1, 0, 1]))
    things, sizes = rng.poisson(there)[sequence], rng.normal(4, 0.8, (n_images, 4))[sequence]
    rows: list[tuple[int, int, int]] = []  # annotation, category, area
    image, annotator = [], []
    for each in range(n_images):
        for who in names if shared else [names[rng.integers(len(names))]]:
            habit, own = habits[who], np.random.default_rng([int(sequence[each]), names.index(who), 7])
            for category in range(4):
                if own.random() >= habit.misses:
                    area = sizes[each, category] + np.log(habit.grows) + own.normal(0, 0.1, things[each, category])
                    rows += [(len(image), category + 1, int(max(1, size))) for size in np.exp(area)]
            rows.append((len(image), 5, int(SIDE * SIDE * habit.void * own.uniform(0.5, 1.5))))
            image.append(each)
            annotator.append(who)
    return tables_of(image, annotator, rows, camera, sequence if per_sequence > 1 else None)


def tables_of(
    image: list[int],
    annotator: list[str],
    rows: list[tuple[int, int, int]],
    camera: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    sequence: "np.ndarray[tuple[int], np.dtype[np.int_]] | None" = None,
) -> Tables:
    """The tables of images, annotations and (annotation, category, area) of segments."""
    n = len(camera)
    annotation, category, area = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    nothing = np.full(n, None, object)
    return replace(
        empty(),
        images=Table(
            {
                "image_id": np.array([f"{each:05}.png" for each in range(n)], object),
                "width": np.full(n, SIDE),
                "height": np.full(n, SIDE),
                "camera": np.array([f"camera {each:d}" for each in camera], object),
                "sequence": nothing if sequence is None else np.array([f"drive {each}" for each in sequence], object),
                **dict.fromkeys(("group", "split", "metadata"), nothing),
            }
        ),
        annotations=Table(
            {
                "image": np.array(image),
                "annotator": np.array(annotator, object),
                **dict.fromkeys(("source", "stage", "created"), np.full(len(image), None, object)),
            }
        ),
        segments=Table(
            {
                "annotation": annotation,
                "image": np.array(image)[annotation],
                "category_id": category,
                "area": area,
                "iscrowd": np.zeros(len(rows), bool),
                "declared_width": np.full(len(rows), np.nan),
                "declared_height": np.full(len(rows), np.nan),
            }
        ),
    )


def renamed(tables: Tables, rng: np.random.Generator) -> Tables:
    """The same with the annotators' names exchanged at random, within each image where several drew it."""
    names, image = tables.annotations["annotator"], tables.annotations["image"]
    several = len(np.unique(image)) < len(image)
    key = image if several else tables.images["camera"][image]
    code = np.unique(key, return_inverse=True)[1]
    order = np.lexsort((rng.random(len(names)), code))
    exchanged = names.copy()
    exchanged[np.lexsort((np.arange(len(names)), code))] = names[order]
    return replace(tables, annotations=tables.annotations.beside(annotator=exchanged))


def with_guideline(tables: Tables, name: str, **chapters: str) -> Tables:
    """The tables with what the guideline says of the category of this name."""
    taxonomy = tables.profile.taxonomy
    said = tuple(
        msgspec.structs.replace(each, **chapters) if each.name == name else each for each in taxonomy.categories
    )
    known = msgspec.structs.replace(taxonomy, categories=said)
    return replace(tables, profile=replace(tables.profile, taxonomy=known))
