"""Panels: open and compare the work of several annotators; options shared by all commands on agreement."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from segdata.api.read import Data, ReadOptions, read
from segdata.core.config import Config, Gold, did_you_mean
from segdata.core.dataset import OpenDataset, Recipe, recipe_of
from segdata.core.errors import SegdataError
from segdata.core.executor import Progress, no_progress
from segdata.core.profile import Profile
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.formats.shared.images import image_limits

if TYPE_CHECKING:
    from distributed import Client

    from segdata.agreement.estimates import Resampling
    from segdata.agreement.panel import Panel, PanelMember
    from segdata.agreement.surface_distances import Tolerance
    from segdata.core.annotator_pairs import AnnotatorPairs


_MIN_CONFIDENCE, _MAX_CONFIDENCE = 0.5, 0.999  # of intervals
NamedData = tuple[str | None, Data]
PanelData = Data | Mapping[str, Data] | Sequence[NamedData]


class PairOptions(ReadOptions, total=False):
    """Options for pairing images, for intervals, and for the run (jobs, progress)."""

    pair_by: str | None
    taxonomy_map: str | Path | None
    confidence: float
    resamples: int
    seed: int
    jobs: int
    progress: Progress


class PanelOptions(PairOptions, total=False):
    """The options of a panel, with the tolerance of boundaries and the cluster that compares."""

    tolerance: float | None
    tolerance_mm: float | None
    client: "Client | str | None"


PANEL_DEFAULTS: PanelOptions = {
    "pair_by": None,
    "taxonomy_map": None,
    "confidence": 0.95,
    "resamples": 2000,
    "seed": 0,
    "jobs": 0,
    "progress": no_progress,
    "tolerance": None,
    "tolerance_mm": None,
    "client": None,
}


@dataclass(frozen=True, slots=True)
class ComparedPanel:
    """A panel, and its annotators compared with a tolerance of boundaries."""

    panel: "Panel"
    tables: "Tables"
    annotator_pairs: "AnnotatorPairs"
    near: "Tolerance"

    def check_sizes(self) -> None:
        """Raise SegdataError if nobody can be compared because image sizes differ."""
        from segdata.agreement.panel import check_sizes

        if len(self.annotator_pairs.pairs) == 0:
            check_sizes(self.panel, self.tables.defects)


def read_options(options: PairOptions) -> ReadOptions:
    """Those of the options that `read` has."""
    own = PanelOptions.__annotations__.keys() - ReadOptions.__annotations__.keys()
    return cast(ReadOptions, {name: value for name, value in options.items() if name not in own})


def resampling(options: PairOptions) -> "Resampling":
    """The settings of resampling; raises SegdataError for values that no interval can have."""
    from segdata.agreement.estimates import Resampling

    given: PanelOptions = {**PANEL_DEFAULTS, **options}
    if not _MIN_CONFIDENCE <= given["confidence"] <= _MAX_CONFIDENCE:
        limits = f"from {_MIN_CONFIDENCE} to {_MAX_CONFIDENCE}"
        raise SegdataError(f"confidence is {given['confidence']}, it must be {limits}")
    if given["resamples"] < 1:
        raise SegdataError(f"resamples is {given['resamples']}, it must be 1 or more")
    return Resampling(given["confidence"], given["resamples"], given["seed"])


def open_members(data: PanelData, opening: ReadOptions) -> "list[PanelMember]":
    """Open the datasets of a panel, with the caller's names."""
    from segdata.agreement.panel import PanelMember

    return [
        PanelMember(source if isinstance(source, OpenDataset) else read(source, **opening), name)
        for name, source in name_datasets(data)
    ]


def name_datasets(data: PanelData) -> list[NamedData]:
    """Datasets with the caller's names, or None."""
    if isinstance(data, (str, Path, OpenDataset)):
        return [(None, data)]
    return list(data.items()) if isinstance(data, Mapping) else list(data)


def join_panels(data: PanelData, others: PanelData, name: str | None) -> list[NamedData]:
    """All datasets with their names; `name` is for a single dataset: raises SegdataError if `data` are several."""
    if name is None:
        return [*name_datasets(data), *name_datasets(others)]
    if not isinstance(data, (str, Path, OpenDataset)):
        raise SegdataError(f"name {name!r} is for a single dataset; several have their own names")
    return [(name, data), *name_datasets(others)]


def open_panel(members: "Sequence[PanelMember]", pair_by: str | None, taxonomy_map: str | Path | None) -> "Panel":
    """The panel of some datasets; `pair_by` and `taxonomy_map` as for `segdata.agree`.

    Raises SegdataError if the map leaves a category undecided.
    """
    from segdata.agreement.panel import build_panel
    from segdata.store.remap import load_map

    renamed: dict[str, str | None] = {}
    if taxonomy_map is not None:
        for old, new in load_map(Path(taxonomy_map))[0].categories.items():
            if isinstance(new, tuple):
                raise SegdataError(f"{taxonomy_map}: {old} is undecided ({' or '.join(new)}); write one name")
            renamed[old] = new
    with image_limits():
        return build_panel(members, pair_by=pair_by, renamed=renamed)


def compare_panel(members: "Sequence[PanelMember]", section: Gold | None, options: PanelOptions) -> ComparedPanel:
    """Open and compare a panel; the section `gold` of segdata.yaml has tolerances that the options lack."""
    from segdata.agreement import comparison
    from segdata.agreement.gold_standard import boundary_tolerance

    panel = open_panel(members, options.get("pair_by"), options.get("taxonomy_map"))
    near = boundary_tolerance(section, options.get("tolerance"), options.get("tolerance_mm"))
    with image_limits():
        # Any: both types.
        passing: dict[str, Any] = {"jobs": options.get("jobs", 0), "progress": options.get("progress", no_progress)}
        client = options.get("client")
        if client is None:
            tables = comparison.compare_panel(panel, tolerance=near, **passing)
        else:
            from segdata.core.cluster import RemoteDataset, connect  # needs the extra `dask`

            with connect(client) as cluster:
                remote, cut = RemoteDataset.cut(_with_recipe(panel, members, options))
                tables = comparison.compare_panel(panel, tolerance=near, on=(cluster, remote, cut), **passing)
    assert tables.annotator_pairs is not None
    return ComparedPanel(panel, tables, tables.annotator_pairs, near)


class _MemberRecipe(NamedTuple):
    """How another process opens a member of a panel: that process gets no open files."""

    open_source: Callable[[], OpenDataset]
    profile: Profile
    rows: Ints | None
    name: str | None
    depth: int
    unnamed: str | None

    def open(self) -> "PanelMember":
        from segdata.agreement.panel import PanelMember

        dataset = replace(self.open_source(), profile=self.profile, rows=self.rows)
        return PanelMember(dataset, self.name, self.depth, self.unnamed)


def _with_recipe(panel: "Panel", members: "Sequence[PanelMember]", options: PanelOptions) -> OpenDataset:
    """The panel as a dataset that workers can open."""
    recipes = [
        _MemberRecipe(recipe_of(data), data.profile, data.rows, member.name, member.depth, member.unnamed)
        for member, data in ((member, member.dataset) for member in members)
    ]
    renamed = options.get("taxonomy_map")
    again = partial(_open_again, recipes, options.get("pair_by"), None if renamed is None else Path(renamed).absolute())
    return OpenDataset(panel, panel.profile, Config(), recipe=Recipe(panel, again))


def _open_again(members: list[_MemberRecipe], pair_by: str | None, taxonomy_map: str | Path | None) -> OpenDataset:
    """Open the panel in another process."""
    panel = open_panel([member.open() for member in members], pair_by, taxonomy_map)
    return OpenDataset(panel, panel.profile, Config())


def reference_index(gold: str | None, annotators: Sequence[str]) -> int | None:
    """The position of the reference among the annotators; raises SegdataError if it is missing."""
    return None if gold is None else annotator_index("gold", gold, annotators)


def annotator_index(option: str, name: str, annotators: Sequence[str]) -> int:
    """The position of the annotator whom an option names; raises SegdataError if there is none."""
    if name not in annotators:
        names = ", ".join(annotators)
        raise SegdataError(f"{option}: no annotator {name!r}{did_you_mean(name, list(annotators))}; there are: {names}")
    return annotators.index(name)


def check_reference_named(gold: str | None, members: "Sequence[PanelMember]") -> None:
    """Raise SegdataError early, before any pass over pixels, if no named member is the reference."""
    from segdata.agreement.comparison import person_name

    names = [member.name for member in members]
    if gold is not None and None not in names and person_name(gold) not in names:
        reference_index(gold, [*dict.fromkeys(filter(None, names))])


def panel_gold_section(members: "Iterable[PanelMember]") -> Gold | None:
    """The section `gold` of the first dataset that has one."""
    from segdata.agreement.gold_standard import gold_section

    return gold_section(member.dataset.config for member in members)
