"""Dataset: an opened dataset with the commands of segdata as methods.

The methods are the functions of `segdata`, which describe them once. A function is imported when its method is used,
so that opening a dataset does not load pandas, SciPy or PyTorch.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

import segdata
from segdata.core.dataset import OpenDataset
from segdata.core.executor import Progress, no_progress

if TYPE_CHECKING:
    from segdata.api.edits import MergeResult
    from segdata.api.evaluate import ReworkResult
    from segdata.api.read import Data
    from segdata.store.remap import TaxonomyMap

P = ParamSpec("P")
R = TypeVar("R")


class _Command:
    """A function of `segdata` whose first parameter is the dataset, as a method."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __set_name__(self, owner: type, method: str) -> None:
        self._method = f"{owner.__name__}.{method}"

    def __get__(self, dataset: object | None, owner: type | None = None) -> Callable[..., Any]:  # Any: each its own
        if dataset is None:
            return method_of(self.name, self._method)
        return MethodType(method_of(self.name, self._method), dataset)


class _ReviewCommand(Generic[P, R]):
    """A function of `segdata` as a method of `DatasetReview`."""

    def __init__(self, command: "Callable[Concatenate[Data, P], R]") -> None:
        self._name = command.name if isinstance(command, _Command) else command.__name__

    def __set_name__(self, owner: type, method: str) -> None:
        self._method = f"{owner.__name__}.{method}"

    def __get__(self, review: "DatasetReview | None", owner: type | None = None) -> Callable[P, R]:
        if review is None:
            return method_of(self._name, self._method)
        return partial(method_of(self._name, self._method), review)


@cache
def method_of(name: str, method: str) -> Callable[..., Any]:  # Any: each function has its own types
    """A method for a function of `segdata`, with a help page in which `self` replaces the dataset."""
    from segdata.api.arguments import check_arguments

    function = check_arguments(inspect.unwrap(getattr(segdata, name)), method)
    signature = inspect.signature(function)
    first, *rest = signature.parameters.values()
    parameters = [first.replace(name="self", annotation=inspect.Parameter.empty)]
    for parameter in rest:
        parameters += _unpack_options(parameter) if parameter.kind is parameter.VAR_KEYWORD else [parameter]

    @functools.wraps(function)
    def call_method(self: object, *arguments: Any, **options: Any) -> Any:  # Any: as above
        return function(getattr(self, "dataset", self), *arguments, **options)

    _show_signature(call_method, signature.replace(parameters=parameters))
    call_method.__name__, call_method.__qualname__ = method.rpartition(".")[2], method
    call_method.__doc__ = _without_parameter(function.__doc__ or "", first.name)
    return call_method


class _Code:
    """A type or default as shown on a help page: without modules, functions by name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    @staticmethod
    def of(annotation: Any) -> "_Code":  # Any: a type, or its text
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        text = re.sub(r"ForwardRef\('(.*?)'.*?\)", r"\1", text).strip("'")
        text = re.sub(r"\b(?:\w+\.)+(\w)", r"\1", text)
        for long, short in (("str | Path | OpenDataset", "Data"), ("Callable[[int], None]", "Progress")):
            text = text.replace(long, short)
        return _Code(text)


def _show_signature(function: Callable[..., Any], signature: inspect.Signature) -> None:  # Any: of any function
    """Make help pages show a signature without the modules of types."""
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by inspect
        parameters=[_readable(parameter) for parameter in signature.parameters.values()],
        return_annotation=_Code.of(signature.return_annotation),
    )


def _readable(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.annotation is not parameter.empty:
        parameter = parameter.replace(annotation=_Code.of(parameter.annotation))
    if callable(parameter.default) and parameter.default is not parameter.empty:
        name = parameter.default.__name__
        parameter = parameter.replace(default=_Code("..." if name == "<lambda>" else name))
    return parameter


def _without_parameter(page: str, name: str) -> str:
    """A docstring for a method whose `self` is the parameter: without its entry, or its name in an entry of several."""
    page = re.sub(rf"(?m)^(    )?{name} : .*\n(?:(?(1) {{8}}| {{4}})\S.*\n)*", "", page)
    return re.sub(rf"(?m)^( *){name}, (?=[\w, ]+ : )", r"\1", page).replace(f"`{name}`", "this dataset")


def _unpack_options(options: inspect.Parameter) -> list[inspect.Parameter]:
    """``**options: Unpack[…]`` as one parameter each, without the options of `read`."""
    from segdata.api.panel import PANEL_DEFAULTS
    from segdata.api.read import ReadOptions

    own = options.annotation.__args__[0].__annotations__
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=own[name])
        for name, default in PANEL_DEFAULTS.items()
        if name in own and name not in ReadOptions.__annotations__
    ]


class _Commands:
    """The functions of `segdata`, each as a method that imports it when it is used."""

    def __getattr__(self, name: str) -> Any:  # Any: type checkers see the module `segdata` in its place
        return _Command(name)


if TYPE_CHECKING:
    commands = segdata
else:
    commands = _Commands()


@dataclass(frozen=True, repr=False)
class Dataset(OpenDataset):
    """An opened dataset of any format, as `segdata.read` returns it.

    The methods are the commands of the command line, with the same names. If the command has ``--format``, its result
    has `to_json()` (the text of ``--format json``), `table()` (a pandas table), `findings` if it consists of findings,
    and `to_html()` if there is an HTML report. Other results say what was written. ``help(segdata.Conversion)`` lists
    what the result of `convert` has; each type that a method returns has such a page.

    Common parameters:

    - ``Data``: a path, a URL, or a `Dataset`
    - ``target``: a folder that does not exist yet, or is empty; for formats of one file, that file
    - ``jobs``: threads; 0: one per core
    - ``progress``: a function that is called with the number of images done since the last call
    - ``copy_images``: copy the image files too; otherwise the new dataset refers to them
    - ``select``, ``ignore``: a rule code, a prefix of codes or a rule name, or several

    Every method raises `SegdataError` with a message that says what is wrong, where, and what to do. Messages name
    options of the command line: ``--group-by`` is the keyword `group_by`, ``--pair`` is `pair_by`, ``--from`` the
    `format` of `segdata.read`. Whatever goes wrong, nothing half-written stays behind.

    `images`, `annotations` and `segments` are pandas tables; ``for batch in dataset`` goes through the pixels in
    portions of many images; ``len(dataset)`` counts images.

    >>> import numpy as np, segdata
    >>> road = np.zeros((40, 60), np.uint8)
    >>> road[10:30], road[35, 45] = 1, 1
    >>> dataset = segdata.from_arrays({"a.png": road}, taxonomy=["road"])
    >>> len(dataset), dataset.segments["area"].tolist()
    (1, [1201])
    >>> [finding.code for finding in dataset.validate(select="SEG106").findings]
    ['SEG106']
    """

    # Check
    validate = commands.validate
    assert_valid = commands.assert_valid
    fix = commands.fix
    flag = commands.flag

    # Compare
    agreement = commands.agree
    consensus = commands.consensus
    evaluate = commands.evaluate
    acceptance = commands.acceptance
    scorecard = commands.scorecard
    diff = commands.diff

    def rework(
        self,
        before: "Data",
        *,
        tolerance: float | None = None,
        tolerance_mm: float | None = None,
        pair_by: str | None = None,
        taxonomy_map: str | Path | None = None,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "ReworkResult":
        """Measure how much of the work a reviewer corrected, by annotator and category.

        Parameters
        ----------
        before : the work as it was before the review: a dataset, or an earlier revision, ``DATA@r0001``
        tolerance, tolerance_mm : boundaries that moved by less were not corrected: in pixels (2), in mm where known
        pair_by, taxonomy_map : as for `agreement`
        jobs, progress : see `Dataset`

        Raises SegdataError if nothing was reviewed.
        """
        return segdata.rework(
            before,
            self,
            tolerance=tolerance,
            tolerance_mm=tolerance_mm,
            pair_by=pair_by,
            taxonomy_map=taxonomy_map,
            jobs=jobs,
            progress=progress,
        )

    # Look
    info = commands.info
    hash = commands.hash_of
    objects = commands.objects
    areas_m2 = commands.areas_m2
    show = commands.show
    browse = commands.browse
    report = commands.overview
    pilot = commands.pilot

    # Write
    convert = commands.convert
    split = commands.split
    filter = commands.filter
    tile = commands.tile
    crop = commands.crop
    untile = commands.untile
    remap = commands.remap
    sample = commands.draw_sample
    draft = commands.draft
    draft_by_model = commands.draft_by_model
    draft_from = commands.draft_from

    def merge(
        self,
        others: "Data | Iterable[Data]",
        target: str | Path,
        *,
        taxonomy_maps: "Mapping[int, str | Path | TaxonomyMap] | None" = None,
        apart: bool = False,
        copy_images: bool = False,
        jobs: int = 0,
        progress: Progress = no_progress,
    ) -> "MergeResult":
        """Write this dataset and others as one canonical dataset.

        Parameters
        ----------
        others : a file, a folder or a `Dataset`, or several; where they disagree the earlier one counts
        target, copy_images, jobs, progress : see `Dataset`
        taxonomy_maps : place among the datasets (0: this one) -> a map of its categories, as for `convert`
        apart : images are never the same: each goes into a folder with the name of its dataset

        Categories with the same name, or an alias of it, become one. Images with the same name become one, with the
        annotations of all datasets, unless their sizes, files or splits differ. Images that have no split get the
        one that their dataset's file or folder is called by (``train.json``). Raises SegdataError for datasets of
        different tasks, and for categories that cannot be one.
        """
        several = [others] if isinstance(others, (str, Path, OpenDataset)) else list(others)
        return segdata.merge(
            [self, *several],
            target,
            taxonomy_maps=taxonomy_maps,
            apart=apart,
            copy_images=copy_images,
            jobs=jobs,
            progress=progress,
        )

    # Revisions of a canonical dataset
    history = commands.history
    restore = commands.restore
    prune = commands.prune

    @property
    def review(self) -> "DatasetReview":
        """The commands of ``segdata review``: `decide`, `pull`, `apply`, `report`, `export` and `import_task`."""
        return DatasetReview(self)


class DatasetReview(msgspec.Struct, frozen=True):
    """The review of a dataset: reviewers' decisions on findings, and tasks for annotation tools.

    Decisions are in a log beside the labels, which only grows.
    """

    dataset: Dataset

    decide = _ReviewCommand(commands.decide)
    pull = _ReviewCommand(commands.pull_decisions)
    apply = _ReviewCommand(commands.apply_decisions)
    report = _ReviewCommand(commands.review_progress)
    export = _ReviewCommand(commands.export_findings)
    import_task = _ReviewCommand(commands.import_task)


for _written_out in (Dataset.rework, Dataset.merge):
    _show_signature(_written_out, inspect.signature(_written_out))
