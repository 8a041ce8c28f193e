"""Selection: the images, annotations and segments that meet conditions over columns, and random samples of images."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, replace_column
from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError, check_choice, count_noun
from segdata.core.finding import Finding
from segdata.core.paths import split_from_path
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Flags, Ints, bounding_boxes
from segdata.core.split_assignment import shuffle_rows
from segdata.core.strata import CategoryTally, example_segments, image_strata, number_names
from segdata.core.taxonomy import lineage

Value = Any  # an Arrow array, or a plain constant; pyarrow has no types
ColumnLookup = Callable[[str], Value]
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: lambda a, b: pc.divide(_floats(a), _floats(b)),
}
_QUOTED = r"""('[^']*'|"[^"]*")"""
_OTHER_LANGUAGES = (  # pattern, replacement, advice
    (r"(?<![=<>!])=(?!=)", "==", "compare with =="),
    (r"<>", "!=", "write != for unequal"),
    (r"\s*&&\s*| AND ", " and ", "join with and"),
    (r"\s*\|\|\s*| OR ", " or ", "join with or"),
    (r"!(?!=)\s*|\bNOT ", "not ", "write not"),
)
_MAPS = ("metadata", "attributes")
_FUNCTIONS = ("matches", "number")


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition."""

    text: str  # as the user wrote it
    columns: frozenset[str]  # the columns that it uses; for ``attributes["colour"]``, the map
    _tree: ast.expr

    @staticmethod
    def parse(text: str, columns: list[str]) -> "Expression":
        """Parse a condition over these columns; raises SegdataError with the reason if it is invalid."""
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = _equals_hint(text) or getattr(error, "msg", None) or error
            raise SegdataError(f"where {text!r}: {reason}") from error
        named: set[str] = set()
        _check(tree, columns, named, text)
        return Expression(text, frozenset(named), tree)

    def holds(self, columns: ColumnLookup, n: int) -> pa.Array:
        """(n,) whether the condition is true; `columns` returns each column, or the texts of ``name[key]`` for maps.

        Raises SegdataError if a column is compared with another type, such as a text with a number.
        """
        try:
            result = _evaluate(self._tree, columns)
            if not isinstance(result, pa.Array):  # constants alone
                scalar = result if isinstance(result, pa.Scalar) else pa.scalar(result)
                result = pa.array([scalar.as_py()] * n, scalar.type)
            if not pa.types.is_boolean(result.type):
                raise SegdataError(f"where {self.text!r}: is not a condition, its type is {result.type}")
        except (pa.ArrowException, TypeError, AttributeError) as error:
            raise SegdataError(f"where {self.text!r}: cannot be evaluated: {str(error).splitlines()[0]}") from error
        return pc.fill_null(result, False)


def _equals_hint(text: str) -> str | None:
    """The spelling to use instead of ``=`` or an operator of another language; None: no hint.

    >>> _equals_hint("split = 'train' AND area > 5")
    "compare with ==, join with and, as in: split == 'train' and area > 5"
    """
    meant, advice = text, []
    for wrong, right, sentence in _OTHER_LANGUAGES:
        parts = re.split(_QUOTED, meant)  # quoted texts, at odd positions, stay unchanged
        parts[::2] = [re.sub(wrong, right, part) for part in parts[::2]]
        if (joined := "".join(parts)) != meant:
            meant = joined
            advice += [sentence] * (sentence not in advice)
    try:
        ast.parse(meant.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return f"{', '.join(advice)}, as in: {meant}" if advice else None


def _check(node: ast.AST, columns: list[str], named: set[str], text: str) -> None:
    """Collect the names of columns in a tree; raises SegdataError for unsupported syntax."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return
        case ast.Name(id=name) if name in columns:
            if name in _MAPS:
                raise SegdataError(f'where {text!r}: write {name}["key"]')
            named.add(name)
        case ast.Name(id=name):
            raise SegdataError(
                f"where {text!r}: no column {name!r}{did_you_mean(name, columns) or '; ' + ', '.join(columns)}"
            )
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str())) if name in _MAPS:
            named.add(name)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            second = args[1] if len(args) == 2 else None
            if len(args) != (2 if name == "matches" else 1) or (
                name == "matches" and not (isinstance(second, ast.Constant) and isinstance(second.value, str))
            ):
                raise SegdataError(f'where {text!r}: write matches(text, "regular expression") or number(text)')
            _check(args[0], columns, named, text)
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _check(part, columns, named, text)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
            _check(part, columns, named, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check(left, columns, named, text)
            _check(right, columns, named, text)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(map(_is_known, ops, others)):
            for part in (left, *others):
                _check(part, columns, named, text)
        case _:
            what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise SegdataError(f"where {text!r}: {what!r} is not supported; see `segdata filter --help`")


def _is_known(op: ast.cmpop, other: ast.expr) -> bool:
    """Whether a comparison is supported; `in` needs a list of constants."""
    if isinstance(op, (ast.In, ast.NotIn)):
        return isinstance(other, (ast.List, ast.Tuple)) and all(
            isinstance(element, ast.Constant) for element in other.elts
        )
    return type(op) in _COMPARISONS


def _evaluate(node: ast.expr, columns: ColumnLookup) -> Value:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return columns(name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
            return columns(f"{name}[{key}]")
        case ast.Call(func=ast.Name(id="matches"), args=[text, ast.Constant(value=pattern)]):
            return pc.match_substring_regex(_evaluate(text, columns), pattern)
        case ast.Call(args=[text]):
            return _numbers(_evaluate(text, columns))
        case ast.BoolOp(op=op, values=parts):
            join = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
            result = _evaluate(parts[0], columns)
            for part in parts[1:]:
                result = join(result, _evaluate(part, columns))
            return result
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return pc.invert(_evaluate(part, columns))
        case ast.UnaryOp(operand=part):
            value = _evaluate(part, columns)
            return -value if isinstance(value, (int, float)) else pc.negate(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_evaluate(left, columns), _evaluate(right, columns))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            comparisons = [_compare(a, op, b, columns) for a, op, b in zip(sides[:-1], ops, sides[1:], strict=True)]
            result = comparisons[0]
            for comparison in comparisons[1:]:
                result = pc.and_kleene(result, comparison)
            return result
    raise AssertionError(node)  # `_check` accepts nothing else


def _compare(left: ast.expr, op: ast.cmpop, right: ast.expr, columns: ColumnLookup) -> Value:
    a = _evaluate(left, columns)
    if isinstance(op, (ast.In, ast.NotIn)):
        assert isinstance(right, (ast.List, ast.Tuple))
        wanted = [_as_column_type(a, element.value) for element in right.elts if isinstance(element, ast.Constant)]
        is_listed = pc.is_in(a, value_set=pa.array(wanted).cast(a.type) if wanted else pa.array([], a.type))
        return is_listed if isinstance(op, ast.In) else pc.and_(pc.invert(is_listed), pc.is_valid(a))
    b = _evaluate(right, columns)
    if a is None or b is None:
        value = b if a is None else a
        return pc.is_null(value) if isinstance(op, ast.Eq) else pc.is_valid(value)
    if isinstance(op, (ast.Eq, ast.NotEq)):
        a, b = _as_column_type(b, a), _as_column_type(a, b)
    return _COMPARISONS[type(op)](a, b)


def _as_column_type(column: Value, constant: Value) -> Value:
    """A constant as stored in a text column: other types than texts are JSON, as in metadata and attributes."""
    text = isinstance(column, (pa.Array, pa.ChunkedArray)) and pa.types.is_string(column.type)
    return json.dumps(constant) if text and isinstance(constant, (bool, int, float)) else constant


def _floats(value: Value) -> Value:
    return float(value) if isinstance(value, (int, float)) else value.cast(pa.float64())


def _numbers(value: Value) -> Value:
    """Parse texts as numbers; null for other texts."""
    if not pa.types.is_string(value.type):
        return value.cast(pa.float64())
    is_number = pc.match_substring_regex(value, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    return pc.if_else(is_number, value, pa.scalar(None, pa.string())).cast(pa.float64())


OF_IMAGES = ("image_id", "width", "height", "split", "group", "sequence", "frame", "camera", "timestamp", "metadata",
             "image_findings")  # fmt: skip
OF_ANNOTATIONS = ("annotator", "source", "stage", "reviewer", "created", "seconds", "n_segments")
OF_SEGMENTS = ("category", "kind", "segment_id", "track_id", "crowd", "score", "segment_source", "area", "x", "y",
               "box_width", "box_height", "attributes", "findings")  # fmt: skip
COLUMNS = (*OF_IMAGES, *OF_ANNOTATIONS, *OF_SEGMENTS)
_DEPTH = {name: depth for depth, names in enumerate((OF_IMAGES, OF_ANNOTATIONS, OF_SEGMENTS)) for name in names}
SegmentKey = tuple[str | None, str | None, int | str]  # image, annotator (None: any), the source's id


@dataclass(frozen=True, slots=True)
class FindingTally:
    """The numbers of findings about images and segments."""

    images: Mapping[str, int]
    segments: Mapping[SegmentKey, int]

    @staticmethod
    def from_findings(findings: Sequence[Finding]) -> "FindingTally":
        """Counted over findings."""
        images: dict[str, int] = {}
        segments: dict[SegmentKey, int] = {}
        for finding in findings:
            for image in finding.images or (finding.image,):
                if image is not None:
                    images[image] = images.get(image, 0) + 1
            for id_ in finding.segments:
                key = (finding.image, finding.annotator, id_)
                segments[key] = segments.get(key, 0) + 1
        return FindingTally(images, segments)

    def count(self, image: str, annotator: str | None, id_: int | str) -> int:
        """Findings that name a segment; those of a dataset with one annotator do not name whom."""
        named = 0 if annotator is None else self.segments.get((image, None, id_), 0)
        return named + self.segments.get((image, annotator, id_), 0)


@dataclass
class ConditionFilter:
    """Drops images, annotations and segments that do not meet every condition.

    A condition applies to images, annotations or segments: the deepest whose columns it uses. An image is dropped if a
    condition on segments leaves none of its segments, or one on annotations none of its annotations. The annotations
    of a kept image stay even without segments, since they state that there is nothing.
    """

    conditions: tuple[Expression, ...]  # all must hold
    profile: Profile  # of the dataset
    # for the columns `findings` and `image_findings`
    flagged: FindingTally = field(default_factory=lambda: FindingTally({}, {}))
    keep_images: bool = False  # whether images stay even if they lose everything
    # first image_id of each batch -> dropped images, annotations, segments, pixels
    dropped: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._select_rows(Batch.empty())  # reports invalid comparisons before anything is written

    def __call__(self, batch: Batch) -> Batch:
        """The filtered batch."""
        if batch.images.num_rows == 0:
            return batch
        images, annotations, segments = self._select_rows(batch)
        left = take_rows(batch, images, annotations, segments)
        gone = int(batch.runs.length.sum()) - int(left.runs.length.sum())
        names = ("images", "annotations", "segments")
        before, after = ([getattr(side, name).num_rows for name in names] for side in (batch, left))
        counts = [a - b for a, b in zip(before, after, strict=True)]
        self.dropped[batch.images["image_id"][0].as_py()] = (counts[0], counts[1], counts[2], gone)
        return left

    @property
    def total(self) -> tuple[int, int, int, int]:
        """The numbers of dropped images, annotations, segments and pixels over all batches."""
        sums = np.array(list(self.dropped.values()), np.int64).reshape(-1, 4).sum(axis=0).tolist()
        return (sums[0], sums[1], sums[2], sums[3])

    def _select_rows(self, batch: Batch) -> tuple[Flags, Flags, Flags]:
        """Which images, annotations and segments stay."""
        depths = [max((_DEPTH[name] for name in expression.columns), default=0) for expression in self.conditions]
        kept = [np.ones(n, bool) for n in (batch.images.num_rows, batch.annotations.num_rows, batch.n_segments)]
        for condition, depth in zip(self.conditions, depths, strict=True):
            columns = _ConditionColumns(batch, self.profile, self.flagged, depth)
            kept[depth] &= condition.holds(columns, len(kept[depth])).to_numpy(zero_copy_only=False)
        images, annotations, segments = kept
        annotations &= images[batch.annotation_image]
        segments &= annotations[batch.segment_annotation]
        deepest = max(depths, default=0)
        if deepest and not self.keep_images:
            left = batch.segment_image[segments] if deepest == 2 else batch.annotation_image[annotations]
            images &= np.isin(np.arange(len(images)), left)
            annotations &= images[batch.annotation_image]
        return images, annotations, segments


def take_rows(batch: Batch, images: Flags, annotations: Flags, segments: Flags) -> Batch:
    """Select images, annotations and segments of a batch by flags; the parents of selected rows are kept, too."""
    if images.all() and annotations.all() and segments.all():
        return batch
    rows = [np.flatnonzero(flags) for flags in (images, annotations, segments)]
    image = (np.cumsum(images) - 1)[batch.annotation_image[rows[1]]]
    annotation = (np.cumsum(annotations) - 1)[batch.segment_annotation[rows[2]]]
    kept_images = batch.images.take(pa.array(rows[0]))
    names = set(kept_images["image_id"].to_pylist())
    return Batch(
        kept_images,
        replace_column(batch.annotations.take(pa.array(rows[1])), "image", image.astype(np.int32)),
        replace_column(batch.segments.take(pa.array(rows[2])), "annotation", annotation.astype(np.int32)),
        batch.runs.take(rows[2], batch.n_segments),
        tuple(flags for flags in batch.defects if flags.image is None or flags.image in names),
    )


@dataclass(frozen=True, slots=True)
class _ConditionColumns:
    """The columns of a batch, at the depth of images (0), annotations (1) or segments (2)."""

    batch: Batch
    profile: Profile
    flagged: FindingTally
    depth: int

    def __call__(self, name: str) -> pa.Array:
        """One column; ``attributes[key]`` is a value of a map."""
        own = _DEPTH[name.partition("[")[0]]
        column = (self._of_images, self._of_annotations, self._of_segments)[own](name)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if own < 2 <= self.depth:
            column = column.take(pa.array(self.batch.segment_annotation if own else self.batch.segment_image))
        elif own < self.depth:
            column = column.take(pa.array(self.batch.annotation_image))
        return column

    def _of_images(self, name: str) -> Any:  # Any: pyarrow has no types
        images = self.batch.images
        if name.startswith("metadata["):
            return _map_values(images["metadata"], name[9:-1])
        ids = images["image_id"].to_pylist()
        if name == "image_findings":
            return pa.array([self.flagged.images.get(image_id, 0) for image_id in ids], pa.int64())
        if name == "split":
            return pc.coalesce(images["split"], pa.array([split_from_path(image_id) for image_id in ids], pa.string()))
        return images[name]

    def _of_annotations(self, name: str) -> Any:  # Any: as above
        if name == "n_segments":
            return pa.array(np.bincount(self.batch.segment_annotation, minlength=self.batch.annotations.num_rows))
        return self.batch.annotations[name]

    def _of_segments(self, name: str) -> Any:  # Any: as above
        segments = self.batch.segments
        if name.startswith("attributes["):
            return _map_values(segments["attributes"], name[11:-1])
        if name in ("category", "kind"):
            return self._categories(name)
        if name == "crowd":
            return segments["iscrowd"].fill_null(False)
        if name == "findings":
            return pa.array(self._findings(), pa.int64())
        if name == "area":
            return pa.array(self.batch.runs.areas(self.batch.n_segments))
        if name in _BOX:
            height, _ = self.batch.segment_size
            return pa.array(bounding_boxes(self.batch.runs, height, self.batch.n_segments)[_BOX[name]])
        return segments["source" if name == "segment_source" else name]

    def _categories(self, name: str) -> pa.Array:
        """The name or kind of each segment's category."""
        ids = self.batch.segments["category_id"].combine_chunks().dictionary_encode()
        by_id = self.profile.taxonomy.by_id()
        values = [
            self.profile.name_of(id_) if name == "category" else (by_id[id_].kind if id_ in by_id else None)
            for id_ in ids.dictionary.to_pylist()
        ]
        return pa.array(values, pa.string()).take(ids.indices)

    def _findings(self) -> Ints:
        """(n_segments,) the number of findings that name each segment."""
        images = self.batch.images["image_id"].to_pylist()
        annotators = self.batch.annotations["annotator"].to_pylist()
        concerned = {image for image, _, _ in self.flagged.segments}
        image_row = self.batch.segment_image
        may = np.isin(image_row, [row for row, name in enumerate(images) if name in concerned])
        counts = np.zeros(self.batch.n_segments, np.int64)
        rows = np.flatnonzero(may)
        ids = self.batch.segments.select(["segment_id", "source_id"]).take(pa.array(rows)).to_pylist()
        for row, id_ in zip(rows.tolist(), ids, strict=True):
            named = id_["source_id"] if id_["source_id"] is not None else id_["segment_id"]
            annotator = annotators[self.batch.segment_annotation[row]]
            counts[row] = self.flagged.count(images[image_row[row]], annotator, named)
        return counts


_BOX = {"x": 0, "y": 1, "box_width": 2, "box_height": 3}


def _map_values(column: pa.ChunkedArray, key: str) -> pa.Array:
    """The value of a key in each map: a text unchanged, other values as JSON; null if missing or null."""
    texts = [dict(entry or ()).get(key) for entry in column.to_pylist()]
    return pa.array([None if entry in (None, "null") else _plain_text(entry) for entry in texts], pa.string())


def _plain_text(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def category_condition(profile: Profile, names: list[str]) -> list[str]:
    """The condition that a segment has one of these categories, or a descendant; SegdataError if one is unknown."""
    if not names:
        return []
    taxonomy = profile.taxonomy
    parents = taxonomy.parents
    every = [*(category.name for category in taxonomy.categories), *profile.unknown_names.values()]
    matching: list[str] = []
    for name in names:
        below = [category for category in every if name in lineage(category, parents)]
        if not below:
            listed = list(dict.fromkeys([*every, *(parent for parent in parents.values() if parent)]))
            hint = did_you_mean(name, listed) or f"; there are: {', '.join(listed[:20])}"
            raise SegdataError(f"no category {name!r}{hint}")
        matching += below
    return [f"category in {list(dict.fromkeys(matching))!r}"]


Purpose = Literal["gold", "pilot"]


@dataclass(frozen=True, slots=True)
class ImageSample:
    """The result of drawing images.

    Attributes
    ----------
    images : their ids, in ascending order
    of : how many there are
    wanted : target number of segments of each category in a gold set; 0 for a pilot
    categories : names of the occurring categories
    segments, drawn : (n_categories,) number of segments of each category in all images, and in the drawn ones
    strata : the strata of the requested column, with their numbers of images and of drawn images
    """

    images: tuple[str, ...]
    of: int
    wanted: int
    categories: tuple[str, ...]
    segments: Ints
    drawn: Ints
    strata: tuple[tuple[str, int, int], ...] = ()

    def __repr__(self) -> str:
        return f"ImageSample({len(self.images):,} of {self.of:,} images; {len(self.short)} categories are short)"

    @property
    def short(self) -> tuple[str, ...]:
        """The categories with fewer segments in the drawn images than wanted."""
        return tuple(name for name, n in zip(self.categories, self.drawn.tolist(), strict=True) if n < self.wanted)


def draw_images(
    tables: Tables, n: int, *, purpose: Purpose = "gold", stratify: str | None = None, wanted: int = 30, seed: int = 0
) -> ImageSample:
    """Draw n images.

    ``gold`` covers the categories greedily: each image is the one that adds most to the missing `wanted` segments, with
    rare categories weighted most; once nothing is missing, it draws at random. ``pilot`` draws at random, so that
    results generalise. `stratify`: a column as in `segdata.core.strata`; each stratum contributes its share of the
    images. The same images and seed give the same draw, in any order. Crowds and void do not count.

    Raises SegdataError for more images than there are, and for a column without values.
    """
    check_choice("purpose", purpose, get_args(Purpose))
    names = tables.images["image_id"].tolist()
    if not 0 < n <= len(names):
        raise SegdataError(f"cannot draw {count_noun(n, 'image')} from {len(names)}")
    order = shuffle_rows(names, seed)
    place = np.argsort(order)  # random order of the images, which breaks ties
    rows = example_segments(tables, crowds=False)
    tally = CategoryTally.count(rows, place[rows["image"]])
    ids, category = np.unique(tally.category, return_inverse=True)
    strata, quota = _quotas(tables, stratify, order, n)
    target = wanted if purpose == "gold" else 0
    chosen = _cover_categories(tally.owner, category, tally.segments, len(ids), target, strata, quota)
    in_sample = np.isin(tally.owner, chosen)
    stratum_names = [] if stratify is None else _named_strata(tables, stratify)[0]
    return ImageSample(
        images=tuple(sorted(names[row] for row in order[chosen].tolist())),
        of=len(names),
        wanted=target,
        categories=tuple(tables.profile.name_of(int(id_)) for id_ in ids),
        segments=np.bincount(category, tally.segments, len(ids)).astype(np.int64),
        drawn=np.bincount(category[in_sample], tally.segments[in_sample], len(ids)).astype(np.int64),
        strata=tuple(
            (name, int((strata == number).sum()), int((strata[chosen] == number).sum()))
            for number, name in enumerate(stratum_names)
        ),
    )


def _cover_categories(
    image: Ints, category: Ints, segments: Ints, n_categories: int, wanted: int, strata: Ints, quota: Ints
) -> Ints:
    """The images that are drawn, by their place in the random order, greedily by what they add to each category.

    Takes how many segments (m,) of each category each image has, sorted by image; `strata` (n_images,) and `quota`
    (n_strata,), how many images each stratum still gives.
    """
    missing = np.minimum(wanted, np.bincount(category, segments, n_categories)).astype(np.int64)
    worth = 1 / np.maximum(missing, 1)  # each category has the same total weight, so segments of rare ones weigh more
    free, quota, chosen = np.ones(len(strata), bool), quota.copy(), []
    while quota.sum() > 0:
        gain = np.bincount(image, worth[category] * np.minimum(missing[category], segments), len(strata))
        may = free & (quota[strata] > 0)
        best = int(np.where(may, np.round(gain, 9), -1.0).argmax())
        free[best] = False
        quota[strata[best]] -= 1
        chosen.append(best)
        span = slice(*np.searchsorted(image, [best, best + 1]))
        missing[category[span]] = np.maximum(missing[category[span]] - segments[span], 0)
    return np.array(sorted(chosen), np.int64)


def _named_strata(tables: Tables, stratify: str) -> tuple[Sequence[str], Ints]:
    """The strata of a column, and (n_images,) the stratum of each image; the last, "(none)", is for unknown values."""
    names, number = number_names(image_strata(tables, stratify))
    if not names:
        raise SegdataError(f"stratify {stratify!r}: no image has such a value")
    none = number < 0
    return ([*names, "(none)"], np.where(none, len(names), number)) if none.any() else (names, number)


def _quotas(tables: Tables, stratify: str | None, order: Ints, n: int) -> tuple[Ints, Ints]:
    """(n_images,) the stratum of each image, in the random order, and how many images each gives, by largest rest."""
    if stratify is None:
        return np.zeros(len(order), np.int64), np.array([n])
    names, number = _named_strata(tables, stratify)
    quota, rest = np.divmod(np.bincount(number, minlength=len(names)) * n, len(order))
    quota[np.argsort(-rest, kind="stable")[: n - int(quota.sum())]] += 1
    return number[order], quota
