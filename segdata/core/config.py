"""Configuration: the settings in segdata.yaml."""

import datetime
import difflib
import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from segdata.core import yaml_files
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect, Finding, Severity

NonEmptyText = Annotated[str, msgspec.Meta(min_length=1)]  # an empty one was never meant


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Findings in images whose id matches a glob, of a category (by name), of an annotator; None matches any."""

    image: NonEmptyText | None = None
    category: NonEmptyText | None = None
    annotator: NonEmptyText | None = None

    def holds(self, finding: Finding | Defect) -> bool:
        """Whether a finding or defect is in the scope."""
        return (
            (self.image is None or fnmatch.fnmatchcase(finding.image or "", self.image))
            and (self.category is None or self.category == finding.category)
            and (self.annotator is None or self.annotator == finding.annotator)
        )


Overlap = Literal["forbid", "allow", "same-category-forbid"]
Coverage = Literal["exhaustive", "sparse"]
Option = str | int | float | bool
Metric = Literal[
    "iou", "dice", "boundary_iou", "nsd", "hd95", "assd", "pq", "sq", "rq", "f1", "kappa",
    "segment_nsd", "covering", "adjusted_rand", "iou_micro", "dice_micro",
    "offset_size", "count_gap", "variation_of_information",
]  # fmt: skip
# the less the better, without an end
DISTANCES: frozenset[str] = frozenset({"hd95", "assd", "offset_size", "count_gap", "variation_of_information"})
registered_metrics: set[str] = set()  # names of further ones, from the modules behind entry points `segdata.metrics`
# Means that a few large values decide, which a sample may lack, so that intervals do not cover them.
WITHOUT_INTERVAL: frozenset[str] = frozenset({"hd95", "assd"})
Distance = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Bound = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Threshold = Annotated[int, msgspec.Meta(ge=1, le=65_535)]  # of masks of 8 or 16 bits; from 0 on all is foreground


class InstanceIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to read the values of instance-ID images; exactly one of `divisor`, `category`, `table` is set.

    `divisor`: value = category id * divisor + instance number. `category`: every value is an instance of this
    category (a name or id). `table`: a CSV or JSON side table with the columns `value` and `category` (and, where
    values repeat between images, `image`). `background` is unlabelled, `void` explicitly ignored.
    """

    divisor: int | None = None
    category: NonEmptyText | int | None = None
    table: NonEmptyText | None = None
    background: int | None = 0
    void: int | None = None


class Layers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The names of layer files (one binary or thresholded mask per category or segment).

    `pattern` is a path with the fields `{stem}` (of the image), `{category}` and `{instance}`, and `*` for what does
    not matter: `{stem}_{category}.png`, `{category}/{stem}.png`. `category` names the category where the pattern has
    none. Pixels at or above `threshold` belong to the layer; unset: everything but 0, and a file with values
    between is SEG010.
    """

    pattern: NonEmptyText
    category: NonEmptyText | None = None
    threshold: Threshold | None = None


class Sequences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Patterns of names by which images are the frames of videos or the slices of volumes.

    `pattern` is an image's whole name with the fields `{frame}`, a number, and `{sequence}` (without it all are one),
    and `*` for what does not matter: `{sequence}/{frame}.jpg`. `tracks`: what in the ids of segments is the same object
    in all frames: the whole `ids`, or the `numbers` within a category (the id modulo the divisor of `instance_ids`).
    """

    pattern: NonEmptyText
    kind: Literal["video", "volume"] = "video"
    tracks: Literal["ids", "numbers"] | None = None


class CategoryGold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The bar of one category against the gold standard; None: as for all categories.

    `bar`: the smallest accepted value of the metric, or the largest if less is better, as for `hd95`. `tolerance_px`,
    `tolerance_mm`: the largest distance at which two boundaries of this category match; the latter applies where the
    pixel spacing is known.
    """

    metric: NonEmptyText | None = None
    bar: Bound | None = None
    tolerance_px: Distance | None = None
    tolerance_mm: Distance | None = None


class Gold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The gold standard: the reference annotator, and the scores that other annotators must reach.

    `name`: the reference; `--gold` overrides it. `metric`: for categories without one of their own, a `Metric` or the
    name of a plugin's.
    `bar`: for all categories together. `each`: for every category without a bar of its own. `tolerance_px`,
    `tolerance_mm`: for boundaries; `--tolerance` and `--tolerance-mm` override them. `categories`: bars of single
    categories, by name.
    """

    name: NonEmptyText | None = None
    metric: NonEmptyText = "iou"
    bar: Bound | None = None
    each: Bound | None = None
    tolerance_px: Distance | None = None
    tolerance_mm: Distance | None = None
    categories: dict[str, CategoryGold] = msgspec.field(default_factory=dict)

    def for_category(self, category: str) -> CategoryGold:
        """The bar of a category, by name."""
        own = self.categories.get(category, CategoryGold())
        return msgspec.structs.replace(
            own, metric=own.metric or self.metric, bar=self.each if own.bar is None else own.bar
        )


class Suppression(Scope, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Known and accepted findings: their code, scope and reason, and the day until which they are accepted."""

    code: NonEmptyText
    reason: NonEmptyText
    until: datetime.date | None = None


class Override(Scope, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Settings for one scope: the rules that run there, the rules that do not, and severities.

    A later override wins over an earlier one.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: dict[str, Severity | Literal["off"]] = msgspec.field(default_factory=dict)


PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The cost of work: `rate` in `currency` an hour.

    The minutes hold for annotations without a recorded duration. `seconds_per_decision` is a reviewer's; without it,
    segdata takes the times of the decisions.
    """

    rate: PositiveFloat | None = None
    currency: str = ""
    minutes_per_image: PositiveFloat | None = None
    minutes_per_segment: PositiveFloat | None = None
    seconds_per_decision: PositiveFloat | None = None


Loss = Literal["ce", "dice", "focal", "ce+dice", "focal+dice"]
Architecture = Literal["unet", "unet-residual", "efficientnet-lite0"]
Augmentation = Literal["mirror", "turn", "scale", "light", "elastic", "blur", "noise", "hue", "invert"]
USUAL_AUGMENTATIONS: tuple[Augmentation, ...] = ("mirror", "turn", "scale", "light")


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How `segdata flag` trains its networks; None: chosen from the data, or the default.

    The options of the command line have the same names and override these. `augment`: `usual` stands for mirror, turn,
    scale and light; an empty list for none.
    """

    quick: bool | None = None
    folds: Annotated[int, msgspec.Meta(ge=2)] | None = None
    members: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    architecture: Architecture | None = None
    width: Annotated[int, msgspec.Meta(ge=1)] | None = None
    depth: Annotated[int, msgspec.Meta(ge=1, le=6)] | None = None
    pretrained: bool | None = None
    scale: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    crop: Annotated[int, msgspec.Meta(ge=32, multiple_of=32)] | None = None
    batch: Annotated[int, msgspec.Meta(ge=1)] | None = None
    steps: Annotated[int, msgspec.Meta(ge=1)] | None = None
    learning_rate: PositiveFloat | None = None
    loss: Loss | None = None
    dice: Annotated[float, msgspec.Meta(ge=0)] | None = None
    class_weights: bool | None = None
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] | None = None
    augment: tuple[Literal["usual"] | Augmentation, ...] | None = None
    rotate: bool | None = None
    flips: Annotated[int, msgspec.Meta(ge=0, le=2)] | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The settings of segdata.yaml; options of the command line override them."""

    coverage: Coverage | dict[str, Coverage] | None = None
    overlap: Overlap | None = None
    format: NonEmptyText | None = None
    taxonomy: NonEmptyText | None = None
    images: NonEmptyText | None = None
    instance_ids: InstanceIds | None = None
    layers: Layers | None = None
    sequences: Sequences | None = None
    options: dict[str, Option] = {}  # of the format that is read
    gold: Gold | None = None
    cost: Cost | None = None
    training: Training | None = None
    group_by: NonEmptyText | None = None  # the column by which statistics are grouped
    by: NonEmptyText | None = None  # its first name, which is still read
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: dict[str, Severity | Literal["off"]] = {}
    rules: dict[str, dict[str, Any]] = {}  # Any: each rule checks its own options
    overrides: tuple[Override, ...] = ()
    suppress: tuple[Suppression, ...] = ()


def load_config(path: Path) -> Config:
    """Read the configuration from a YAML file; raises SegdataError with file, line and the nearest known key.

    Paths in the file (taxonomy, images, table of instance ids) are relative to its folder; the result has absolute
    paths.
    """
    config = yaml_files.load_yaml(path, Config)
    folder = path.absolute().parent
    ids = config.instance_ids
    return msgspec.structs.replace(
        config,
        taxonomy=_resolve_path(folder, config.taxonomy),
        images=_resolve_path(folder, config.images),
        instance_ids=ids and msgspec.structs.replace(ids, table=_resolve_path(folder, ids.table)),
    )


def _resolve_path(folder: Path, path: str | None) -> str | None:
    return None if path is None else str(folder / path)


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of a message that suggests the most similar known name; empty if none is similar.

    >>> did_you_mean("min_pixel", ["min_pixels"])
    "; did you mean 'min_pixels'?"
    >>> did_you_mean("aera", ["camera", "area"])
    "; did you mean 'area'?"
    """
    near = difflib.get_close_matches(name, known, n=5)
    near.sort(key=lambda word: sorted(word) != sorted(name))  # letters that changed places come before others
    return f"; did you mean {near[0]!r}?" if near else ""


def encode_coverage(by_category: Mapping[str, Coverage]) -> str | None:
    """Encode the coverage of categories for the column `coverage`; None if there are none.

    >>> encode_coverage({"dog": "sparse", "cat": "exhaustive"})
    '{"cat":"exhaustive","dog":"sparse"}'
    """
    return msgspec.json.encode(dict(sorted(by_category.items()))).decode() if by_category else None


def parse_coverage(text: str | None) -> Coverage | dict[str, Coverage] | None:
    """Decode a value of the column `coverage`; None: as in the dataset. Raises SegdataError for invalid text.

    >>> parse_coverage('{"cat": "exhaustive"}')
    {'cat': 'exhaustive'}
    """
    if text is None or text in get_args(Coverage):
        return text  # type: ignore[return-value]  # one of the two
    try:
        return msgspec.json.decode(text, type=dict[str, Coverage])
    except msgspec.MsgspecError as error:
        message = f"coverage must be exhaustive, sparse or a JSON object of these by category, it is {text!r}"
        raise SegdataError(message) from error
