"""segdata.yaml: what a project decides about its dataset and its rules."""

import datetime
import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from segdata.core import yamlfile
from segdata.core.finding import Severity
from segdata.core.scope import Scope, Word

Overlap = Literal["forbid", "allow", "same-category-forbid"]
Coverage = Literal["exhaustive", "sparse"]
Option = str | int | float | bool
Metric = Literal["iou", "dice", "boundary_iou", "nsd", "hd95", "assd", "pq", "sq", "rq", "f1", "kappa"]
DISTANCES: frozenset[Metric] = frozenset({"hd95", "assd"})  # the less the better
Distance = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Bound = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Threshold = Annotated[int, msgspec.Meta(ge=1, le=65_535)]  # of masks of 8 or 16 bits; from 0 on all is foreground


class InstanceIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the values of instance-ID images are read; exactly one of `divisor`, `category`, `table`.

    `divisor`: value = category id * divisor + instance number. `category`: every value is an instance of this
    category (a name or id). `table`: a CSV or JSON side table with the columns `value` and `category` (and, where
    values repeat between images, `image`). `background` is unlabelled, `void` explicitly ignored.
    """

    divisor: int | None = None
    category: Word | int | None = None
    table: Word | None = None
    background: int | None = 0
    void: int | None = None


class Layers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How layer files (one binary or thresholded mask per category or segment) are named.

    `pattern` is a path with the fields `{stem}` (of the image), `{category}` and `{instance}`, and `*` for what does
    not matter: `{stem}_{category}.png`, `{category}/{stem}.png`. `category` names the category where the pattern has
    none. Pixels at or above `threshold` belong to the layer; unset: everything but 0, and a file with values
    between is SEG010.
    """

    pattern: Word
    category: Word | None = None
    threshold: Threshold | None = None


class Sequences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which images are frames of videos, or slices of volumes, by their names.

    `pattern` is an image's whole name with the fields `{frame}`, a number, and `{sequence}` (without it all are one),
    and `*` for what does not matter: `{sequence}/{frame}.jpg`. `tracks`: what in the ids of segments is the same object
    in all frames: the whole `ids`, or the `numbers` within a category (the id modulo the divisor of `instance_ids`).
    """

    pattern: Word
    kind: Literal["video", "volume"] = "video"
    tracks: Literal["ids", "numbers"] | None = None


class Bar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What work on one category must reach against the gold standard; what is not said is as for all categories.

    `bar`: the least value of the metric; of `hd95` and `assd`, which are distances, the largest. `tolerance_px`,
    `tolerance_mm`: how far apart boundaries of this category may be and still be one, the latter where the spacing of
    pixels is known.
    """

    metric: Metric | None = None
    bar: Bound | None = None
    tolerance_px: Distance | None = None
    tolerance_mm: Distance | None = None


class Gold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The gold standard: the annotator who is the reference, and what everybody else's work must reach against it.

    `name`: the reference; `--gold` goes before it. `metric`: what is compared, of categories that do not say their own.
    `bar`: of all categories together. `each`: of every category that has none of its own. `tolerance_px`,
    `tolerance_mm`: of boundaries; `--tolerance` and `--tolerance-mm` go before them. `categories`: single ones,
    by name.
    """

    name: Word | None = None
    metric: Metric = "iou"
    bar: Bound | None = None
    each: Bound | None = None
    tolerance_px: Distance | None = None
    tolerance_mm: Distance | None = None
    categories: dict[str, Bar] = msgspec.field(default_factory=dict)

    def of(self, category: str) -> Bar:
        """What holds for a category, by name."""
        own = self.categories.get(category, Bar())
        return msgspec.structs.replace(
            own, metric=own.metric or self.metric, bar=self.each if own.bar is None else own.bar
        )


class Suppression(Scope, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Findings that are known and accepted: of a code, in a scope, for a reason, until a day."""

    code: Word
    reason: Word
    until: datetime.date | None = None


class Override(Scope, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is decided otherwise for the findings of a scope: rules that alone speak there, or do not, and severities.

    Of several overrides the later goes before.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: dict[str, Severity | Literal["off"]] = msgspec.field(default_factory=dict)


Above = Annotated[float, msgspec.Meta(gt=0)]


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What work costs: `rate` in `currency` an hour.

    Minutes are of annotations that do not say themselves how long they took. `seconds_per_decision` of a reviewer;
    without it the times of the decisions tell.
    """

    rate: Above | None = None
    currency: str = ""
    minutes_per_image: Above | None = None
    minutes_per_segment: Above | None = None
    seconds_per_decision: Above | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """segdata.yaml. See the fields' types for what each holds; the command line goes before it."""

    coverage: Coverage | dict[str, Coverage] | None = None
    overlap: Overlap | None = None
    format: Word | None = None
    taxonomy: Word | None = None
    images: Word | None = None
    instance_ids: InstanceIds | None = None
    layers: Layers | None = None
    sequences: Sequences | None = None
    options: dict[str, Option] = {}  # of the format that is read
    gold: Gold | None = None
    cost: Cost | None = None
    by: Word | None = None  # the column that statistics tell apart
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: dict[str, Severity | Literal["off"]] = {}
    rules: dict[str, dict[str, Any]] = {}  # Any: each rule checks its own options
    overrides: tuple[Override, ...] = ()
    suppress: tuple[Suppression, ...] = ()


def load_config(path: Path) -> Config:
    """The configuration in a YAML file; raises SegdataError with file, line and the nearest known key.

    Paths in it (taxonomy, images, the table of instance ids) are relative to its folder, and absolute in the result.
    """
    config = yamlfile.load(path, Config)
    folder = path.absolute().parent
    ids = config.instance_ids
    return msgspec.structs.replace(
        config,
        taxonomy=_below(folder, config.taxonomy),
        images=_below(folder, config.images),
        instance_ids=ids and msgspec.structs.replace(ids, table=_below(folder, ids.table)),
    )


def _below(folder: Path, path: str | None) -> str | None:
    return None if path is None else str(folder / path)


def nearest(name: str, known: list[str]) -> str:
    """A hint at the most similar known name, or nothing.

    >>> nearest("min_pixel", ["min_pixels"])
    "; did you mean 'min_pixels'?"
    """
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
