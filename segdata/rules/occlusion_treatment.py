"""SEG212 occlusion-treatment: a category is drawn whole in some files, and only as far as visible in others."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import RowFinding
from segdata.core.guideline import Relation, is_related_either_way, quote_guideline
from segdata.core.permutation_tests import StratifiedGroups, cluster_p_value, intraclass_correlation
from segdata.core.profile import Profile
from segdata.core.rule import Tables, rule
from segdata.core.runs import Ints, unique_inverse
from segdata.core.statistics import benjamini_hochberg
from segdata.core.table import Table

_Boxes = NDArray[np.float64]  # (n, 4): x, y, width, height
_SMALLEST_PART, _LEAST_SHARE = 50, 0.1  # px, and share of its segment: a smaller part is a scrap
_SAME = 0.5  # IoU of boxes of one thing, drawn twice


def kept_parts(tables: Tables) -> Table:
    """What several annotators make of one object in parts: annotation, category, object, kept.

    An object is a segment with two large parts, or the two segments of its category that lie where its parts do; `kept`
    tells which. Only those that two annotators or more have drawn are listed, one row for each. Needs the family
    `parts`.
    """
    segments, annotations = tables.segments, tables.annotations
    of_image: defaultdict[int, list[int]] = defaultdict(list)
    for row, image in enumerate(annotations["image"].tolist()):
        of_image[image].append(row)
    objects = _objects(tables)
    several = np.unique(tables.parts["segment"])
    whole = np.setdiff1d(np.flatnonzero(~segments["iscrowd"] & (segments["area"] >= _SMALLEST_PART)), several)
    singles = _by_annotation(segments, whole)
    kept_by = _by_annotation(segments, np.array(sorted(objects), np.int64))
    found: list[tuple[int, int, int, bool]] = []
    order = np.lexsort([segments[name][list(objects)] for name in ("y", "x", "category_id", "annotation")])
    for number, segment in enumerate(np.array(list(objects), np.int64)[order].tolist()):
        boxes = objects[segment]
        annotation, category = int(segments["annotation"][segment]), int(segments["category_id"][segment])
        rows = [(annotation, category, number, True)]
        for other in of_image[int(annotations["image"][annotation])]:
            if other == annotation:
                continue
            kept = any(_match(boxes, objects[row]) for row in kept_by[other, category])
            if kept and other < annotation:
                rows = []  # it was listed when the other's turn came
                break
            if kept or _match(boxes, _boxes(segments, singles[other, category])):
                rows.append((other, category, number, kept))
        found += rows if len(rows) > 1 else []
    columns = np.array(found, np.int64).reshape(-1, 4).T
    names = ("annotation", "category", "object", "kept")
    return Table(dict(zip(names, columns, strict=True))).beside(kept=columns[3] > 0)


def _objects(tables: Tables) -> dict[int, _Boxes]:
    """The boxes of the two largest parts of each segment that has two large ones, by its row."""
    parts, area = tables.parts, tables.segments["area"]
    owner = parts["segment"]
    large = (parts["area"] >= _SMALLEST_PART) & (parts["area"] >= _LEAST_SHARE * area[owner])
    large &= ~tables.segments["iscrowd"][owner]
    rows = np.flatnonzero(large)
    rows = rows[np.lexsort((parts["x"][rows], parts["y"][rows], -parts["area"][rows], owner[rows]))]
    first = np.flatnonzero(np.diff(owner[rows], prepend=-1) != 0)
    first = first[np.diff(np.append(first, len(rows))) > 1]
    pairs = _boxes(parts, np.stack([rows[first], rows[first + 1]], axis=1).ravel()).reshape(-1, 2, 4)
    return dict(zip(owner[rows[first]].tolist(), pairs, strict=True))


def _by_annotation(segments: Table, rows: Ints) -> defaultdict[tuple[int, int], list[int]]:
    """Rows by annotation and category."""
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for row, annotation, category in zip(
        rows.tolist(), segments["annotation"][rows].tolist(), segments["category_id"][rows].tolist(), strict=True
    ):
        found[annotation, category].append(row)
    return found


def _boxes(things: Table, rows: "Ints | list[int]") -> _Boxes:
    columns = [things[name][rows] for name in ("x", "y", "width", "height")]
    return np.stack(columns, axis=1).astype(np.float64).reshape(-1, 4)


def _match(two: _Boxes, others: _Boxes) -> bool:
    """Whether two boxes (2, 4) are also among others (n, 4), each another one."""
    if len(others) < 2:
        return False
    low = np.maximum(two[:, None, :2], others[:, :2])
    high = np.minimum((two[:, :2] + two[:, 2:])[:, None], others[:, :2] + others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    iou = shared / (two[:, 2:].prod(axis=1)[:, None] + others[:, 2:].prod(axis=1) - shared)
    best = iou.argmax(axis=1)
    return bool(best[0] != best[1] and (iou.max(axis=1) >= _SAME).all())


_SEED = 212  # the same data give the same findings
_SMALLEST = 50  # px of the smaller segment: of fewer a border is too large a share
_WITHIN = 0.9  # of the smaller segment: more, and it lies upon the other one
_LEAST = 10  # borders, or objects, of an annotator
_PERMUTATIONS = 1999
_MOST = 5_000  # borders of a category that are permuted


def _may_overlap(profile: Profile) -> bool:
    return profile.overlap.value != "forbid"


@rule(
    "SEG212",
    "occlusion-treatment",
    severity="warning",
    needs=("pairs", "borders", "parts"),
    tasks=("instance",),
    whole=True,
    when=_may_overlap,
)
def occlusion_treatment(
    tables: Tables, *, min_shared: float = 0.02, min_effect: float = 0.5, min_files: int = 3, rate: float = 0.05
) -> Iterator[RowFinding]:
    """Some files, or annotators, draw a category whole, and others only as far as it is visible.

    Example:
        car: drawn whole in 4 annotations (10 of 12 borders), only as far as visible in 4 (0 of 17)

    The rule looks at the pairs of segments that touch or overlap. Where things are drawn whole (amodal), one of the two
    reaches under the other, and they share pixels. Where only the visible part is drawn, they end at each other. In one
    annotation the pairs of a category should all go one way, or be mixed alike. The rule flags a category if its pairs
    go together by annotation: min_files annotations or more share pixels in at least half of the pairs, as many in at
    most a tenth, the intraclass correlation is at least min_effect, and it is beyond chance (pairs are permuted among
    those with the same other category; Benjamini-Hochberg over the categories).

    If there are several annotators, each is compared with the others, on the same images if there are any: the shares
    must differ by min_effect, over 10 pairs or more. The rule then also looks at things that are hidden in the middle,
    so that two large parts are visible: whether they stay one segment or become two.

    Not flagged: crowds, pairs that the taxonomy lets overlap (`may_overlap`, `part_of`), and segments that lie on top
    of each other.

    Why: the model learns both ways at random, and an amodal and a visible mask of one object never match well.

    Remedy: write the way into the guideline (`occlusion_rule`), and redraw the smaller group.

    Options: `min_shared`: the share of the smaller segment above which two overlap; less is the precision of drawn
    borders. `min_effect` and `min_files`: as above. `rate`: of false findings.
    Defaults: half of the pairs that meet share up to 2.5 % of the smaller segment in COCO (50 images), 1.4 % in TACO.
    Of the 17 categories of COCO, TACO, GBM40 and kudzu leaves with enough pairs none is flagged: the intraclass
    correlation of nuclei is 0.03, of persons 0.04; that of three is above 0.5, by chance (p from 0.15 to 0.5). Seeded
    in every other of 8 files, cars drawn as their convex outline give 0.76 and p = 0.0005. Annotators of the same
    images, which no public set at hand has, are only tested by simulation.
    """
    borders = _borders(tables, min_shared)
    if len({name for name in tables.annotations["annotator"].tolist() if name is not None}) > 1:
        yield from _by_annotator(tables, _comparable(tables, borders), _DRAWN, min_effect, rate)
        objects = kept_parts(tables)
        parts = objects.beside(stratum=objects["object"], flag=objects["kept"])
        yield from _by_annotator(tables, parts, _KEPT, min_effect, rate)
    else:
        yield from _by_file(tables, borders, min_effect, min_files, rate)


def _borders(tables: Tables, min_shared: float) -> Table:
    """The pairs of segments that meet, each seen from the category of either: annotation, category, other, over.

    `over`: they share pixels enough. Rows are in an order that does not depend on that of the segments.
    """
    segments, pairs = tables.segments, tables.pairs
    touching = tables.borders.take(tables.borders["touching"] > 0)
    key = np.concatenate([each["a"] * len(segments) + each["b"] for each in (pairs, touching)])
    met, which = np.unique(key, return_inverse=True)
    shared = np.bincount(which[: len(pairs)], weights=pairs["shared"], minlength=len(met))
    a, b = np.divmod(met, max(len(segments), 1))
    smaller = np.minimum(segments["area"][a], segments["area"][b])
    category = segments["category_id"]
    things = [each.id for each in tables.profile.taxonomy.categories if each.kind == "thing"]
    good = (smaller >= _SMALLEST) & (shared <= _WITHIN * smaller) & ~segments["iscrowd"][a] & ~segments["iscrowd"][b]
    relations: tuple[Relation, ...] = ("may_overlap", "part_of")
    for relation in relations:
        good &= ~is_related_either_way(tables.profile.taxonomy, relation, category[a], category[b])
    a, b, over = a[good], b[good], (shared >= min_shared * smaller)[good]
    twice = category[a] != category[b]
    one, other = np.concatenate([category[a], category[b[twice]]]), np.concatenate([category[b], category[a[twice]]])
    annotation = segments["annotation"][np.concatenate([a, a[twice]])]
    found = Table(
        {"annotation": annotation, "category": one, "other": other, "over": np.concatenate([over, over[twice]])}
    )
    found = found.take(np.isin(one, things))
    return found.take(np.lexsort([found[name] for name in ("over", "annotation", "other", "category")]))


@dataclass(frozen=True, slots=True)
class _Divided:
    """A category whose borders go together by annotation.

    Attributes
    ----------
    id : of the category
    whole, seen : annotations (rows) that draw it whole, and as far as it is seen
    over, of : how many borders share pixels, of how many, in either
    effect, p : the intraclass correlation, and how often chance makes it as large
    """

    id: int
    whole: Ints
    seen: Ints
    over: tuple[int, int]
    of: tuple[int, int]
    effect: float
    p: float


def _by_file(tables: Tables, borders: Table, min_effect: float, min_files: int, rate: float) -> Iterator[RowFinding]:
    rng = np.random.default_rng(_SEED)
    every = [_divided(borders.take(rows), min_effect, min_files, rng) for rows in borders.groups("category")]
    told = [each for each in every if each is not None]
    p = np.concatenate([[each.p for each in told], np.ones(len(every) - len(told))])
    for each, stands in zip(told, benjamini_hochberg(p, rate).tolist(), strict=False):
        if stands:
            name = tables.profile.name_of(each.id)
            message = (
                f"drawn whole in {len(each.whole):,} annotations ({each.over[0]:,} of {each.of[0]:,} "
                f"borders; {_named(tables, each.whole)}), only as far as visible in {len(each.seen):,} "
                f"({each.over[1]:,} of {each.of[1]:,}; {_named(tables, each.seen)}); intraclass correlation "
                f"{each.effect:.2f}, limit {min_effect:g}; p = {each.p:.2g}"
            )
            yield RowFinding(
                message + quote_guideline(tables.profile.taxonomy, each.id, "occlusion_rule"), category=name
            )


def _divided(borders: Table, min_effect: float, min_files: int, rng: "np.random.Generator") -> _Divided | None:
    """One category's borders as two ways to draw; None where they are not."""
    rows, group = unique_inverse(borders["annotation"])
    over = borders["over"].astype(np.float64)
    n, hits = np.bincount(group), np.bincount(group, weights=over)
    whole = np.flatnonzero((n > 1) & (hits >= 0.5 * n))
    seen = np.flatnonzero((n > 1) & (hits <= 0.1 * n))
    effect = intraclass_correlation(over, group)
    if min(len(whole), len(seen)) < min_files or not effect >= min_effect:
        return None
    kept = np.flatnonzero(group % -(-len(group) // _MOST) == 0)
    stratum = np.unique(borders["other"], return_inverse=True)[1]
    p = cluster_p_value(over[kept], group[kept], stratum[kept], rng, _PERMUTATIONS)
    hit, of = ((int(count[whole].sum()), int(count[seen].sum())) for count in (hits, n))
    return _Divided(int(borders["category"][0]), rows[whole], rows[seen], hit, of, effect, p)


def _comparable(tables: Tables, borders: Table) -> Table:
    """The borders with the stratum in which annotators are compared: the same image, where several drew it."""
    drawn_on, times = np.unique(tables.annotations["image"], return_counts=True)
    image = tables.annotations["image"][borders["annotation"]]
    alone = np.isin(image, drawn_on[times == 1])  # what only one annotator drew is compared by the other category alone
    stratum = np.unique(np.stack([np.where(alone, -1, image), borders["other"]]), axis=1, return_inverse=True)[1]
    return borders.beside(stratum=stratum.reshape(-1), flag=borders["over"])


# What an annotator does whose share of flags is large, what one whose share is small, and what is counted.
_DRAWN = ("draws it whole", "draws it only as far as visible", "borders overlap")
_KEPT = (
    "keeps the parts of a thing as one segment",
    "makes each part of a thing a segment",
    "things in parts are one segment",
)


def _by_annotator(
    tables: Tables, seen: Table, words: tuple[str, str, str], min_effect: float, rate: float
) -> Iterator[RowFinding]:
    """Annotators whose share of `flag` differs from the others', for each `category`, within each `stratum`."""
    rng = np.random.default_rng(_SEED)
    names = sorted({name for name in tables.annotations["annotator"].tolist() if name is not None})
    number = {name: at for at, name in enumerate(names)}
    who = np.array([number.get(name, -1) for name in tables.annotations["annotator"].tolist()], np.int64)
    seen = seen.take(who[seen["annotation"]] >= 0)
    tested = []
    for rows in seen.groups("category"):
        flag = seen["flag"][rows].astype(np.float64)
        blocks = StratifiedGroups.of(who[seen["annotation"][rows]], seen["stratum"][rows], len(names))
        found = blocks.compare(flag)
        apart = np.abs(np.nan_to_num(found.difference)) * (found.n >= _LEAST)
        worst = int(apart.argmax())
        p = blocks.chance(flag, rng, _PERMUTATIONS)[0] if apart[worst] >= min_effect else 1.0
        tested.append((int(seen["category"][rows[0]]), worst, found, p))
    stands = benjamini_hochberg(np.array([p for *_, p in tested]), rate)
    for (id_, worst, found, p), good in zip(tested, stands.tolist(), strict=True):
        if good:
            mine, others = float(found.mean[worst]), max(float(found.mean[worst] - found.difference[worst]), 0.0)
            message = (
                f"{names[worst]!r} {words[mine < others]}: {mine:.0%} of {found.n[worst]:,} {words[2]}, for the "
                f"others {others:.0%}; limit {min_effect:.0%}; p = {p:.2g}"
            )
            message += quote_guideline(tables.profile.taxonomy, id_, "occlusion_rule")
            yield RowFinding(message, annotator=names[worst], category=tables.profile.name_of(id_))


def _named(tables: Tables, annotations: NDArray[np.int64], most: int = 3) -> str:
    """Some images of annotations, in the order of their names."""
    names = sorted(set(tables.images["image_id"][tables.annotations["image"][annotations]].tolist()))
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
