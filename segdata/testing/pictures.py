"""Pictures: images drawn with letters, so that a rule's documentation shows what it flags, and runs as a test.

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
  category), ``empty`` (a segment without pixels), ``polygon 1 0 5 3 5 0`` (x y …, rings parted by ``|``; you may leave
  the letter out of the image then, or draw the pixels that COCO's rule gives the polygon).
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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast, get_args

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.config import Config, Overlap
from segdata.core.finding import Defect, Finding
from segdata.core.format import Source
from segdata.core.guideline import Relation
from segdata.core.profile import ImageSequence, Policy, Profile, SequenceKind, Task
from segdata.core.rule import Rule, Tables
from segdata.core.rule_runner import Answers, FoundInPart, run_rules
from segdata.core.runs import Ints, Runs, mask_to_runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Attribute, Category, ExpectedCategory, MaxVoid, SizeLimits, Taxonomy
from segdata.measure.measure import MeasuredTables, measure_batch, measure_source
from segdata.measure.partitions import (
    MeasuringJob,
    PortionSource,
    find_by_part,
    find_in_partition,
    measure_sequences,
    sequence_portions,
)

_KINDS = ("thing", "stuff", "void")
_LINE = re.compile(r"(\w(?:, \w)*|task|coverage|overlap|max_void|category|split|encoding|sequence|frame)(:| =) (.+)")


@dataclass(slots=True)
class PictureCategory:
    """`car (thing, id 7)`: a name and the words in brackets, each with what follows it."""

    name: str
    words: dict[str, str]

    @staticmethod
    def from_text(text: str) -> "PictureCategory":
        """Parse an entry."""
        name, _, words = text.strip().removesuffix(")").partition("(")
        pairs = (word.strip().partition(" ") for word in words.split(",") if word.strip())
        return PictureCategory(name.strip(), {word: rest.strip() for word, _, rest in pairs})

    @property
    def kind(self) -> Any:  # Any: Category checks it
        """The kind of the category, if it is given."""
        return next((kind for kind in _KINDS if kind in self.words), None)

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Attributes and their values, `driven = parked`."""
        return [(word, rest[1:].strip()) for word, rest in self.words.items() if rest.startswith("=")]

    def names(self, word: str) -> tuple[str, ...]:
        """The names after a word."""
        return tuple(self.words.get(word, "").split())

    def category(self, place: int) -> Category:
        """The entry of a taxonomy; `place` is its id if it names none."""
        color, size, expected = self.numbers("color"), self.numbers("size"), self.names("expected")
        share = float(expected[0]) if expected and expected[0][0].isdigit() else None
        category = Category(
            id=int(self.words.get("id", place)),
            name=self.name,
            kind=self.kind or "thing",
            color=None if color is None else tuple(int(value) for value in color),
            parent=self.words.get("parent"),
            aliases=self.names("alias"),
            thin="thin" in self.words,
            attributes=tuple(Attribute(name, tuple(values.split()), True) for name, values in self.attributes),
            expected=ExpectedCategory(least_share=share, whenever=() if share else expected) if expected else None,
            size=None if size is None else SizeLimits(min_pixels=int(size[0]), max_pixels=int(size[1])),
        )
        return msgspec.structs.replace(category, **{name: self.names(name) for name in get_args(Relation)})

    def numbers(self, word: str) -> list[float] | None:
        """The numbers after a word; None if the word is missing."""
        return [float(number) for number in self.words[word].split()] if word in self.words else None


@dataclass(slots=True)
class PictureLegend:
    """The content of a picture's lines: pixels, segments, shared pixels, categories, and other lines by name."""

    images: list[list[str]] = field(default_factory=list)
    details: list[dict[str, str]] = field(default_factory=list)
    letters: dict[str, PictureCategory] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    entries: list[PictureCategory] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def taxonomy(self) -> Taxonomy:
        """The declared categories, then those that only letters name."""
        categories = tuple(entry.category(place) for place, entry in enumerate(self._every_entry(), start=1))
        share = self.settings.get("max_void")
        return Taxonomy(categories=categories, max_void=None if share is None else MaxVoid(image=float(share)))

    def unknown(self) -> dict[str, int]:
        """The names that the taxonomy lacks, with negative ids."""
        names = dict.fromkeys(entry.name for entry in self.letters.values() if "unknown" in entry.words)
        return {name: -1 - place for place, name in enumerate(names)}

    def aliases_used(self) -> list[str]:
        """The names of letters that are aliases of categories."""
        names = {entry.name for entry in self._every_entry()} | self.unknown().keys()
        return sorted({entry.name for entry in self.letters.values()} - names)

    def _every_entry(self) -> list[PictureCategory]:
        entered = {name for entry in self.entries for name in (entry.name, *entry.names("alias"))}
        others = {entry.name: entry.kind for entry in reversed(self.letters.values()) if "unknown" not in entry.words}
        order = dict.fromkeys(entry.name for entry in self.letters.values() if entry.name in others)
        named = [
            PictureCategory(name, {others[name]: ""} if others[name] else {}) for name in order if name not in entered
        ]
        return self.entries + named


def read_legend(text: str) -> PictureLegend:
    """Parse a picture and its legend; raises ValueError for a line that is neither."""
    legend, within = PictureLegend(), False
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None and " " in line.strip():
            raise ValueError(f"{line!r} is neither a row of a picture nor a line about it")
        if match is None and line.strip():
            if not within:
                legend.images.append([])
                legend.details.append({})
            legend.images[-1].append(line.strip())
        within = match is None and bool(line.strip())
        if match is None:
            continue
        name, sign, rest = match.groups()
        if sign == " =":
            legend.shared[name] = rest.replace(" + ", "")
        elif name == "category":
            legend.entries.append(PictureCategory.from_text(rest))
        elif name in ("split", "encoding", "frame"):
            legend.details[-1][name] = rest
        elif len(name) > 1 and "," not in name:
            legend.settings[name] = rest
        else:
            legend.letters |= {letter: PictureCategory.from_text(rest) for letter in name.split(", ")}
    letters = {letter for rows in legend.images for row in rows for letter in row} - {"."} - legend.shared.keys()
    legend.letters |= {letter: PictureCategory(letter, {}) for letter in sorted(letters - legend.letters.keys())}
    return legend


_HEADING = re.compile(r"(Flagged|Fine)(?:, [^(:]+)??(?: \((.*)\))?:")


@dataclass(frozen=True, slots=True)
class RulePicture:
    """A picture in a rule's documentation: whether it is flagged, its options, and its text."""

    flagged: bool
    options: dict[str, Any]  # Any: an option is whatever its default is
    text: str


def read_pictures(page: str) -> list[RulePicture]:
    """The pictures of a documentation page: the indented blocks under `Flagged:` and `Fine:`.

    With a caption that is `Fine, it is open:`, with options `Fine (option=1):`, or both, in this order.
    """
    pictures, lines = [], page.expandtabs().splitlines()
    for row, line in enumerate(lines):
        heading = _HEADING.fullmatch(line)
        if heading is None:
            continue
        rest = lines[row + 1 :]
        end = next((i for i, other in enumerate(rest) if other and not other.startswith(" ")), len(rest))
        call = cast(ast.Call, ast.parse(f"f({heading[2] or ''})", mode="eval").body)
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        text = textwrap.dedent("\n".join(rest[:end])).strip("\n")
        pictures.append(RulePicture(heading[1] == "Flagged", options, text))
    return pictures


@dataclass(frozen=True)
class PictureDataset:
    """A drawn dataset, complete with its profile; it can be measured like one that was read from files."""

    profile: Profile
    batch: Batch
    defects: Sequence[Defect] = ()

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The images' names, counted from 1.png."""
        return cast(list[str], self.batch.images["image_id"].to_pylist())

    def chunks(self) -> list[Ints]:
        """All images at once."""
        return [np.arange(self.batch.images.num_rows)]

    def load(self, rows: Ints) -> Batch:
        """Some of the images."""
        return self.batch.take_images(rows)


def draw_picture(text: str) -> PictureDataset:
    """The dataset that a picture shows; raises ValueError for a line that is neither picture nor legend."""
    legend = read_legend(text)
    taxonomy, unknown = legend.taxonomy(), legend.unknown()
    ids = unknown | {
        name: category.id for category in reversed(taxonomy.categories) for name in (*category.aliases, category.name)
    }
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
        sequences=tuple(ImageSequence("film", cast(SequenceKind, kind)) for kind in _sequence(legend)),
    )
    return PictureDataset(profile, _batch(legend, ids))


def find_in_picture(rule: Rule, drawing: PictureDataset, **options: object) -> list[Finding]:
    """The findings of one rule in a drawn dataset, with these options.

    Raises AssertionError if a rule that says that it runs by part finds something else where each image is a part.
    """
    config = Config(rules={rule.code: dict(options)})
    tables = measure_source(drawing, rule.needs, jobs=1)
    findings = list(run_rules(tables, [rule], config).findings)
    if rule.applies(tables.profile) and (rule.runs_by_part(tables.profile) or rule.per_sequence):
        known_findings = find_in_parts(tables, drawing, [rule], config)
        in_parts = list(run_rules(tables, [rule], config, known=known_findings).findings)
        assert in_parts == findings, f"{rule.code} {rule.name} finds {in_parts} part by part, {findings} in the whole"
    return findings


def find_in_parts(
    tables: Tables, source: Source, rules: Sequence[Rule], config: Config, images: int = 1
) -> dict[str, list[Finding]]:
    """Code -> findings of rules in parts of `images` images of a source, given its measured tables.

    As yet without severities, overrides and suppressions.
    """
    profile, families = tables.profile, frozenset().union(*(rule.needs for rule in rules))
    job = MeasuringJob(None, profile, config, families, (), tuple(source.defects))
    begins = np.arange(0, len(source.image_ids), images)
    portions = np.split(np.arange(len(source.image_ids)), begins[1:])
    pieces = [measure_batch(source.load(rows), profile, families) for rows in portions]
    names = set().union(*(piece.tables for piece in pieces))
    n_rows = {name: np.array([piece.tables[name].num_rows for piece in pieces], np.int64) for name in names}
    findings = _find_in_pieces(tables, job, pieces, [rule for rule in rules if rule.runs_by_part(profile)], n_rows)
    of_sequences = [rule for rule in rules if rule.runs_per_sequence(profile)]
    if of_sequences:
        parts = sequence_portions(tables.images, begins, images)
        pieces = [measure_sequences(_portion_source(source, profile, part), job) for part in parts]
        findings |= _find_in_pieces(tables, job, pieces, of_sequences, {})
    return findings


def _portion_source(source: Source, profile: Profile, portions: Sequence[Ints]) -> PortionSource:
    return PortionSource(profile, [*map(len, portions)], lambda k: source.load(portions[k]))


def _find_in_pieces(
    tables: Tables, job: MeasuringJob, pieces: Sequence[MeasuredTables], rules: Sequence[Rule], n_rows: dict[str, Ints]
) -> dict[str, list[Finding]]:
    """Code -> findings of rules in measured pieces of the dataset, given its tables."""

    def run(answers: Answers, waiting: Sequence[str]) -> list[FoundInPart]:
        return [find_in_partition(piece, answers=answers, job=job, codes=waiting) for piece in pieces]

    job = replace(job, codes=tuple(rule.code for rule in rules))
    return find_by_part(job, tables, run({}, job.codes), n_rows, run)


def assert_pictures(rule: Rule) -> None:
    """Raise AssertionError if the rule does not flag exactly the pictures under `Flagged:` in its documentation."""
    pictures = read_pictures(rule.page)
    assert {picture.flagged for picture in pictures} == {True, False}, f"{rule.code}: draw a flagged and a fine picture"
    for picture in pictures:
        codes = {finding.code for finding in find_in_picture(rule, draw_picture(picture.text), **picture.options)}
        expected = {rule.code} if picture.flagged else set()
        outcome = "is not flagged" if picture.flagged else "is flagged"
        assert codes == expected, f"{rule.code} {rule.name}: this picture {outcome}:\n{picture.text}"


def _sequence(legend: PictureLegend) -> list[str]:
    """The kind of the sequence of images, if they are one."""
    return [legend.settings["sequence"]] if "sequence" in legend.settings else []


def _policy(legend: PictureLegend, name: str, habit: str) -> Policy[Any]:
    """A policy in the legend, else the format's habit."""
    value, _, how = legend.settings.get(name, f"{habit} (habit)").partition(" ")
    return Policy(value, declared=how != "(habit)")


def _batch(legend: PictureLegend, ids: dict[str, int]) -> Batch:
    pieces: list[Runs] = []
    segments: defaultdict[str, list[Any]] = defaultdict(list)  # Any: each column has its own type
    for image, rows in enumerate(legend.images):
        pixels = np.array([list(row) for row in rows])
        for letter, entry in sorted(legend.letters.items()):
            polygon = entry.words.get("polygon")
            rings = [[float(number) for number in ring.split()] for ring in polygon.split("|")] if polygon else None
            runs = _runs(pixels, letter, legend.shared) if rings is None else _polygon(letter, rings, pixels)
            if len(runs) == 0 and rings is None and "empty" not in entry.words:
                continue
            area = entry.numbers("area")
            segments["annotation"].append(image)
            segments["segment_id"].append(int(entry.words.get("id", len(pieces) + 1)))
            segments["category_id"].append(ids[entry.name])
            segments["also"].append([ids[name] for name in entry.words.get("also", "").split()] or None)
            segments["attributes"].append([(name, json.dumps(value)) for name, value in entry.attributes] or None)
            segments["iscrowd"].append("crowd" in entry.words)
            segments["track_id"].append(int(entry.words["track"]) if "track" in entry.words else None)
            segments["rings"].append(rings)
            segments["declared_area"].append(None if area is None else area[0])
            segments["declared_bbox"].append(entry.numbers("box"))
            pieces.append(runs)
    n = len(legend.images)
    images = {
        "image_id": [f"{image + 1}.png" for image in range(n)],
        "height": [len(rows) for rows in legend.images],
        "width": [len(rows[0]) for rows in legend.images],
        "split": [details.get("split") for details in legend.details],
        "sequence": ["film" if _sequence(legend) else None] * n,
        "frame": [int(details.get("frame", place)) for place, details in enumerate(legend.details)],
    }
    encoding = [details.get("encoding") for details in legend.details]
    return Batch(
        make_table(BATCH_IMAGES, n, **images),
        make_table(BATCH_ANNOTATIONS, n, image=pa.array(range(n), pa.int32()), encoding=encoding),
        make_table(BATCH_SEGMENTS, len(pieces), **segments),
        Runs.concatenate(pieces, [1] * len(pieces)),
    )


def _runs(pixels: Any, letter: str, shared: dict[str, str]) -> Runs:  # Any: numpy has no short name for text arrays
    """The pixels of a letter, alone or shared."""
    claims = [letter, *(other for other, letters in shared.items() if letter in letters)]
    return mask_to_runs(np.isin(pixels, claims))


def _polygon(letter: str, rings: list[list[float]], pixels: Any) -> Runs:  # Any: as in `_runs`
    """The pixels of the rings' union by COCO's rule; raises ValueError if the letter is drawn elsewhere."""
    ends = np.cumsum([0, *(len(ring) for ring in rings)]).astype(np.int64)
    height, width = (np.array([side], np.int64) for side in pixels.shape)
    runs = Runs(*kernels.rasterise(np.concatenate(rings), ends, np.array([0, len(rings)]), height, width))
    drawn, mask = pixels == letter, masks_of_runs(runs, height, width)[0]
    if drawn.any() and ((drawn & ~mask) | (mask & (pixels == "."))).any():
        raise ValueError(f"{letter} is not drawn where its polygon lies: {np.argwhere(mask)[:, ::-1].tolist()}")
    return runs


Mask = NDArray[np.bool_]


def runs_of_masks(masks: Sequence[Mask]) -> Runs:
    """The runs of masks (H, W), each mask an owner; sizes may differ.

    >>> runs_of_masks([np.array([[True, False], [True, True]])]).start.tolist()
    [0, 3]
    """
    start, length, owner = [], [], []
    for row, mask in enumerate(masks):
        for x in range(mask.shape[1]):
            column = np.concatenate([[0], mask[:, x].astype(np.int8), [0]])
            edges = np.flatnonzero(np.diff(column))
            for top, bottom in zip(edges[::2], edges[1::2], strict=True):
                start.append(x * mask.shape[0] + int(top))
                length.append(int(bottom - top))
                owner.append(row)
    return Runs(np.array(start, np.int64), np.array(length, np.int64), np.array(owner, np.int32))


def masks_of_runs(runs: Runs, height: Ints, width: Ints) -> list[Mask]:
    """The masks (H, W) of each owner; `height` and `width` (n_owners,) in pixels."""
    masks = [np.zeros(int(h) * int(w), bool) for h, w in zip(height, width, strict=True)]
    for start, length, owner in zip(runs.start, runs.length, runs.owner, strict=True):
        masks[owner][start : start + length] = True
    return [mask.reshape(int(w), int(h)).T for mask, h, w in zip(masks, height, width, strict=True)]
