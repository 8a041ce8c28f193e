"""Pictures: images drawn with letters, so that a rule's documentation shows what it flags, and is a test.

Rows of characters are an image, each character a pixel; a letter is a segment, `.` is unlabelled. A blank line begins
the next image. Below or between them stand lines that say more::

    aabbb
    aaxb.

    x = a + b
    a, b: car (thing, crowd)
    coverage: exhaustive

* ``x = a + b``: a pixel that several segments claim.
* ``a, b: car (…)``: the segments' category, and in brackets: a kind of the category (``thing``, ``stuff``, ``void``),
  ``crowd``, ``id 7``, ``area 12.5`` and ``box 0 0 4 4`` (what the file declares), ``unknown`` (the taxonomy lacks the
  category), ``empty`` (a segment without pixels), ``polygon 1 0 5 3 5 0`` (x y …, rings parted by ``|``; the letter is
  not drawn then).
* ``category: car (…)``: an entry of the taxonomy: a kind, ``thin``, ``id 7``, ``color 255 0 0``, ``parent``,
  ``part_of``, ``may_overlap`` and the other relations with names, ``alias``, ``expected`` with a share or names,
  ``size 4 100`` in px, ``driven = parked moving`` (a required attribute and its values). Said twice, it is there twice.
* ``task: panoptic``; ``max_void: 0.1``, of each image; ``coverage: exhaustive``, ``overlap: forbid`` as declared, with
  ``(habit)`` as the format's habit.
* ``sequence: video`` or ``volume``: the images are its frames or slices; ``a: car (track 7)`` is one in all of them.
* ``split: train``, ``encoding: RGB 8 bit``, ``frame: 5``: of the image above.

Without such lines the task is ``instance``, coverage sparse and overlap allowed by habit, and each letter is a thing
of a category with the letter's name.
"""

import ast
import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.config import Overlap
from segdata.core.defect import Defect
from segdata.core.profile import Policy, Profile, Task
from segdata.core.runs import Ints, Runs
from segdata.core.sequence import ImageSequence, Kind
from segdata.testing.legend import Entry, Legend, read_legend

_HEADING = re.compile(r"(Flagged|Fine)(?:, [^(:]+)??(?: \((.*)\))?:")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a rule's documentation: whether it is flagged, with which options, and what is drawn."""

    flagged: bool
    options: dict[str, Any]  # Any: an option is whatever its default is
    text: str


def pictures(page: str) -> list[Picture]:
    """The pictures of a documentation page: the indented blocks under `Flagged:` and `Fine:`.

    With a caption that is `Fine, it is open:`, with options `Fine (option=1):`, or both, in this order.
    """
    found, lines = [], page.expandtabs().splitlines()
    for at, line in enumerate(lines):
        heading = _HEADING.fullmatch(line)
        if heading is None:
            continue
        rest = lines[at + 1 :]
        end = next((i for i, other in enumerate(rest) if other and not other.startswith(" ")), len(rest))
        call = cast(ast.Call, ast.parse(f"f({heading[2] or ''})", mode="eval").body)
        options = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        found.append(Picture(heading[1] == "Flagged", options, textwrap.dedent("\n".join(rest[:end])).strip("\n")))
    return found


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn dataset, complete with its profile; it can be measured like one that was read from files."""

    profile: Profile
    batch: Batch
    defects: Sequence[Defect] = ()

    @property
    def image_ids(self) -> Sequence[str]:
        """The images' names, counted from 1.png."""
        return cast(list[str], self.batch.images["image_id"].to_pylist())

    def chunks(self) -> list[Ints]:
        """All images at once."""
        return [np.arange(self.batch.images.num_rows)]

    def load(self, rows: Ints) -> Batch:
        """Some of the images."""
        return self.batch.take_images(rows)


def drawn(text: str) -> Drawing:
    """The dataset that a picture shows; raises ValueError for a line that is neither picture nor legend."""
    legend = read_legend(text)
    taxonomy, unknown = legend.taxonomy(), legend.unknown()
    ids = unknown | {name: each.id for each in reversed(taxonomy.categories) for name in (*each.aliases, each.name)}
    profile = Profile(
        name="picture",
        format="picture",
        task=cast(Task, legend.settings.get("task", "instance")),
        taxonomy=taxonomy,
        taxonomy_declared=True,
        coverage=_policy(legend, "coverage", "sparse"),
        overlap=cast(Policy[Overlap], _policy(legend, "overlap", "allow")),
        metadata={
            "unknown_categories": json.dumps({str(id_): name for name, id_ in unknown.items()}),
            "aliases_used": json.dumps({name: ids[name] for name in legend.aliases_used()}),
        },
        sequences=tuple(ImageSequence("film", cast(Kind, kind)) for kind in _sequence(legend)),
    )
    return Drawing(profile, _batch(legend, ids))


def _sequence(legend: Legend) -> list[str]:
    """The kind of the sequence that the images are, where they are one."""
    return [legend.settings["sequence"]] if "sequence" in legend.settings else []


def _policy(legend: Legend, name: str, habit: str) -> Policy[Any]:
    """A policy as the legend says it, else the format's habit."""
    value, _, how = legend.settings.get(name, f"{habit} (habit)").partition(" ")
    return Policy(value, declared=how != "(habit)")


def _batch(legend: Legend, ids: dict[str, int]) -> Batch:
    pieces: list[Runs] = []
    segments: defaultdict[str, list[Any]] = defaultdict(list)  # Any: each column has its own type
    for image, rows in enumerate(legend.images):
        pixels = np.array([list(row) for row in rows])
        for letter, entry in sorted(legend.letters.items()):
            rings = _rings(entry)
            runs = _runs(pixels, letter, legend.shared) if rings is None else _polygon(rings, pixels.shape)
            if len(runs) == 0 and rings is None and "empty" not in entry.words:
                continue
            area = entry.numbers("area")
            segments["annotation"].append(image)
            segments["segment_id"].append(int(entry.words.get("id", len(pieces) + 1)))
            segments["category_id"].append(ids[entry.name])
            segments["also"].append([ids[name] for name in entry.words.get("also", "").split()] or None)
            segments["attributes"].append([(name, json.dumps(value)) for name, value in entry.said] or None)
            segments["iscrowd"].append("crowd" in entry.words)
            segments["track_id"].append(int(entry.words["track"]) if "track" in entry.words else None)
            segments["rings"].append(rings)
            segments["declared_area"].append(None if area is None else area[0])
            segments["declared_bbox"].append(entry.numbers("box"))
            pieces.append(runs)
    n = len(legend.images)
    return Batch(
        table(
            BATCH_IMAGES,
            n,
            image_id=[f"{image + 1}.png" for image in range(n)],
            height=[len(rows) for rows in legend.images],
            width=[len(rows[0]) for rows in legend.images],
            split=[details.get("split") for details in legend.details],
            sequence=["film" if _sequence(legend) else None] * n,
            frame=[int(details.get("frame", place)) for place, details in enumerate(legend.details)],
        ),
        table(
            BATCH_ANNOTATIONS,
            n,
            image=pa.array(range(n), pa.int32()),
            encoding=[details.get("encoding") for details in legend.details],
        ),
        table(BATCH_SEGMENTS, len(pieces), **segments),
        Runs.concatenate(pieces, [1] * len(pieces)),
    )


def _runs(pixels: Any, letter: str, shared: dict[str, str]) -> Runs:  # Any: numpy has no short name for text arrays
    """The pixels of a letter, alone or shared."""
    claims = [letter, *(each for each, letters in shared.items() if letter in letters)]
    start, length, value = kernels.label_runs(np.isin(pixels, claims).astype(np.uint8))
    set_ = value == 1
    return Runs(start[set_], length[set_], np.zeros(int(set_.sum()), np.int32))


def _rings(entry: Entry) -> list[list[float]] | None:
    if "polygon" not in entry.words:
        return None
    return [[float(each) for each in ring.split()] for ring in entry.words["polygon"].split("|")]


def _polygon(rings: list[list[float]], size: tuple[int, ...]) -> Runs:
    """The pixels of the rings' union by COCO's rule."""
    ends = np.cumsum([0, *(len(ring) for ring in rings)]).astype(np.int64)
    height, width = (np.array([side], np.int64) for side in size)
    return Runs(*kernels.rasterise(np.concatenate(rings), ends, np.array([0, len(rings)]), height, width))
