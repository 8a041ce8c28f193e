"""Rules: the `@rule` decorator, the tables and candidates that a rule gets, and the lookup of installed rules."""

import inspect
import pkgutil
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from segdata.core.config import did_you_mean
from segdata.core.errors import SegdataError
from segdata.core.finding import Correction, Defect, RowFinding, Severity
from segdata.core.lazy_loading import entry_points, loading_plugin
from segdata.core.profile import Profile, Task
from segdata.core.table import Column, Table

if TYPE_CHECKING:
    from segdata.core.annotator_pairs import AnnotatorPairs, PanelAssessment


Family = str  # a name under which measurements are registered and requested
Command = Literal["validate", "agreement", "flag"]
Habit = Literal["image", "cause", "category"]
_ROW_TABLES = ("images", "annotations", "segments")  # always measured
ALL_TASKS: tuple[Task, ...] = ("semantic", "instance", "panoptic")


@dataclass(frozen=True, slots=True)
class Tables:
    """The measured tables: one row per thing, numbered from 0 over the whole dataset.

    ``tables.parts`` is the measured table `parts`. Each is described where it is measured, in `segdata.measure.tables`;
    it is empty, and the columns of a family are absent, unless a selected rule needs its family. Boxes are the int
    columns x, y, width, height in pixels; areas are in pixels; "(row)" is a row of another table.

    Attributes
    ----------
    profile : of the dataset
    images : image_id, uri, sha256, sequence, frame, split, group, camera, timestamp, metadata (name and JSON text),
        width, height (0: unknown); family `copies`: content (hash of the file, where another may be the same), part
        (its split)
    annotations : image (row), annotator, source, stage, created, seconds (of work), coverage, encoding, file,
        n_segments; family `coverage`: labelled, unlabelled, void, multiple (pixels)
    segments : annotation (row), image (row), segment_id, source_id, category_id, iscrowd, track_id, score, source,
        area, box, declared_area, declared_x … declared_height, file, place; family `shapes`:
        parts, largest (area of the largest part), holes, hole_pixels, perimeter (pixel edges)
    measured : the other tables, by name
    defects : what readers found wrong in the files
    annotator_pairs, assessment : family `agreement`: what annotators have in common, and what follows; None elsewhere
    candidates : family `noise`: the labels that models contradict; None elsewhere
    turn : where these are one part of a dataset: asks the other parts, see `segdata.core.reductions`
    """

    profile: Profile
    images: Table
    annotations: Table
    segments: Table
    measured: Mapping[str, Table]
    defects: tuple[Defect, ...]
    annotator_pairs: "AnnotatorPairs | None" = None
    assessment: "PanelAssessment | None" = None
    candidates: "Candidates | None" = None
    turn: "Turn | None" = None

    def __getattr__(self, name: str) -> Table:
        if name.startswith("__") or name not in self.measured:
            near = did_you_mean(name, [*self.measured, *_ROW_TABLES]) or "; is its family among the rule's `needs`?"
            raise AttributeError(f"no measured table is called {name!r}{near}")
        return self.measured[name]

    def category_name(self, segment: int) -> str:
        """The name of a segment's category."""
        return self.profile.name_of(int(self.segments["category_id"][segment]))

    @staticmethod
    def of(profile: Profile, tables: Mapping[str, Table], defects: Iterable[Defect]) -> "Tables":
        """Build from all tables by name, and the defects of readers."""
        measured = dict(tables)
        images, annotations, segments = (measured.pop(name) for name in ("images", "annotations", "segments"))
        return Tables(profile, images, annotations, segments, measured, tuple(defects))


class Request(msgspec.Struct, frozen=True):
    """The contribution of one part of the dataset to a reduction."""

    columns: dict[str, Column]  # (n,) numbers or flags each
    # how many of the columns are keys: rows with the same ones become one, and the other columns are summed. None: all
    # rows are kept, in order, for the leading part alone
    keys: int | None = None
    links: Mapping[str, str] = {}  # column -> the table of which it is a row
    least: int = 0  # of the first sum; keys with a smaller one are left out of the answer

    @property
    def nbytes(self) -> int:
        """The number of bytes to send."""
        return sum(column.nbytes for column in self.columns.values())


class Turn:
    """One run of a rule on a part; `whole`: the tables of the whole dataset, in the leading part."""

    def __init__(self, whole: Tables | None, answers: Iterable[Table]) -> None:
        self.whole, self._answers = whole, iter(answers)
        self.is_over = False  # rows were gathered: the other parts have ended

    def ask(self, request: Request) -> Table:
        """The answer to a request; raises WaitError if there is none yet."""
        if self.is_over:
            raise RuntimeError("a rule asked other parts after it gathered rows; ask before, or gather all at once")
        for answer in self._answers:
            return answer
        raise WaitError(request)


class WaitError(Exception):
    """A rule must wait in a part until its request is answered."""

    def __init__(self, request: Request) -> None:
        super().__init__("a rule that waits for other parts runs where nothing combines them")
        self.request = request


Findings = Iterator[RowFinding]
RuleCheck = Callable[..., Findings]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule: the arguments of its decorator, and its function.

    Attributes
    ----------
    code, name : ``SEG106``, ``speck``
    severity : the default
    needs : the families of tables that must be measured
    fix : whether a fix exists, and of which sort
    tasks : the rule runs only for these
    check : the function: tables and options to what was found
    options : name -> default, from the function's keyword-only arguments
    whole : it judges a dataset as a whole, and is skipped for a subset of its images
    when : whether it applies to a dataset, by its profile; else nothing is measured for it; None: always
    habit : of what its findings can be a habit, so that one finding stands for many, see `segdata.api.habits`;
        None: each finding is a slip of its own
    opt_in : it runs only where it is selected, or where the configuration names it
    per_image : what it finds on an image follows from that image alone, so it can run where the image is measured;
        or a function of the profile that says so
    by_part : it can run on parts of a dataset, and asks for what it needs of the others, see
        `segdata.core.reductions`; or a function of the profile that says so
    per_sequence : the same for parts that hold each video and volume as a whole, with the tables over several images;
        images of no sequence may be in any part
    """

    code: str
    name: str
    severity: Severity
    needs: frozenset[Family]
    fix: Literal["safe", "unsafe"] | None
    tasks: tuple[Task, ...]
    check: RuleCheck
    options: dict[str, Any] = field(hash=False)  # Any: an option has the type of its default
    whole: bool = False
    when: Callable[[Profile], bool] | None = None
    habit: Habit | None = None
    opt_in: bool = False
    per_image: bool | Callable[[Profile], bool] = False
    by_part: bool | Callable[[Profile], bool] = False
    per_sequence: bool = False

    @property
    def page(self) -> str:
        """The documentation: the function's docstring."""
        return inspect.getdoc(self.check) or ""

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.page.partition("\n")[0]

    @property
    def command(self) -> Command:
        """Which command runs it."""
        return "agreement" if "agreement" in self.needs else "flag" if "noise" in self.needs else "validate"

    def applies(self, profile: Profile) -> bool:
        """Whether this rule applies to a dataset with this profile."""
        return profile.task in self.tasks and (self.when is None or self.when(profile))

    def runs_per_image(self, profile: Profile) -> bool:
        """Whether its findings on an image of such a dataset depend on that image alone."""
        return self.per_image(profile) if callable(self.per_image) else self.per_image

    def runs_by_part(self, profile: Profile) -> bool:
        """Whether it can run on any parts of such a dataset, as rules that depend on single images alone can."""
        by_part = self.by_part(profile) if callable(self.by_part) else self.by_part
        return by_part or self.runs_per_image(profile) or (self.per_sequence and not profile.sequences)

    def runs_per_sequence(self, profile: Profile) -> bool:
        """Whether it can run on parts of such a dataset if no sequence is divided between them."""
        return self.per_sequence and not self.runs_by_part(profile)

    def check_options(self, given: dict[str, Any], where: str) -> None:
        """Raise SegdataError if `given` cannot be keyword arguments of `check`: unknown names, wrong types."""
        for name, value in given.items():
            if name not in self.options:
                hint = did_you_mean(name, list(self.options)) or f"; it has: {', '.join(self.options) or 'none'}"
                raise SegdataError(f"{where}: {self.code} has no option {name!r}{hint}")
            default = self.options[name]
            fits = isinstance(value, (int, float)) if isinstance(default, float) else isinstance(value, type(default))
            if default is not None and (not fits or isinstance(value, bool) != isinstance(default, bool)):
                raise SegdataError(
                    f"{where}: {self.code}: {name} must be a value like {default!r}, it is {reprlib.repr(value)[:80]}"
                )
            # NaN compares as False with everything, so the rule would be silent.
            least = -_MAX_OPTION if isinstance(default, (int, float)) and default < 0 else 0
            if isinstance(value, (int, float)) and not least <= value <= _MAX_OPTION:
                raise SegdataError(
                    f"{where}: {self.code}: {name} must be a number from {least} to {_MAX_OPTION}, it is {value!r:.80}"
                )


_REGISTRY: dict[str, Rule] = {}
_MAX_OPTION = 2**62  # counts must fit into 64 bits


def rule(
    code: str,
    name: str,
    *,
    severity: Severity,
    needs: tuple[Family, ...],
    fix: Literal["safe", "unsafe"] | None = None,
    tasks: tuple[Task, ...] = ALL_TASKS,
    whole: bool = False,
    when: Callable[[Profile], bool] | None = None,
    habit: Habit | None = None,
    opt_in: bool = False,
    per_image: bool | Callable[[Profile], bool] = False,
    by_part: bool | Callable[[Profile], bool] = False,
    per_sequence: bool = False,
) -> Callable[[RuleCheck], RuleCheck]:
    """Register a function as a rule: its docstring is the documentation, its keyword-only arguments the options.

    `Rule` describes the parameters. Raises ValueError for an invalid parameter, and SegdataError for a code or
    name that another rule has.
    """
    for parameter, value, allowed in (
        ("severity", severity, get_args(Severity)),
        ("fix", fix, ("safe", "unsafe", None)),
        ("habit", habit, (*get_args(Habit), None)),
        *(("tasks", task, ALL_TASKS) for task in tasks),
    ):
        if value not in allowed:
            raise ValueError(f"rule {code}: {parameter}: {value!r} is none of {', '.join(map(repr, allowed))}")

    def register(check: RuleCheck) -> RuleCheck:
        for registered in _REGISTRY.values():
            if (registered.code == code or registered.name == name) and registered.check.__module__ != check.__module__:
                same = code if registered.code == code else name
                both = " and ".join(sorted((registered.check.__module__, check.__module__)))  # in any order of loading
                raise SegdataError(f"{same} is both {both}; choose another code or name")
        options = dict(check.__kwdefaults__ or {})
        names = check.__code__.co_varnames[check.__code__.co_argcount :][: check.__code__.co_kwonlyargcount]
        if bare := [option for option in names if option not in options]:
            raise ValueError(f"rule {code}: the option {bare[0]} has no default")
        _REGISTRY[code] = Rule(
            code=code,
            name=name,
            severity=severity,
            needs=frozenset(needs),
            fix=fix,
            tasks=tasks,
            check=check,
            options=options,
            whole=whole,
            when=when,
            habit=habit,
            opt_in=opt_in,
            per_image=per_image,
            by_part=by_part,
            per_sequence=per_sequence,
        )
        return check

    return register


@cache
def rules(command: Command | None = None) -> dict[str, Rule]:
    """Every installed rule by code, or those of one command, from the entry points `segdata.rules`.

    A package may keep the rules of a command in a subpackage named after the command: other commands do not import it.
    """
    for point in entry_points(group="segdata.rules"):
        with loading_plugin(point, "rules"):
            _import_rules(point.load(), command)
    return {code: rule for code, rule in sorted(_REGISTRY.items()) if command in (None, rule.command)}


def _import_rules(package: ModuleType, command: Command | None) -> None:
    """Import the modules of a package of rules, without the packages of other commands."""
    for module in pkgutil.iter_modules(getattr(package, "__path__", []), package.__name__ + "."):
        name = module.name.rpartition(".")[2]
        if name not in get_args(Command):
            import_module(module.name)
        elif command in (None, name):
            _import_rules(import_module(module.name), command)


def rule_hint(word: str, installed: Sequence[Rule]) -> str:
    """The end of a message about an unknown rule: the nearest name, or the command that lists all."""
    near = "" if word.upper().startswith("SEG") else did_you_mean(word, [rule.name for rule in installed])
    return near or "; `segdata rules` lists all rules"


def find_rule(code: str) -> Rule:
    """The rule with this code or name; raises SegdataError with the nearest known name."""
    installed = rules()
    by_name = {rule.name: rule for rule in installed.values()}
    match = installed.get(code.upper()) or by_name.get(code.lower())
    if match is None:
        raise SegdataError(f"no rule {code!r}{rule_hint(code, list(installed.values()))}")
    return match


CONFIDENCE = 0.95  # of the interval from `low` to `high`


def excludes_nothing(low: float, high: float) -> bool:
    """Whether a 95 % interval of a probability holds 0.05 and 0.95, so that it says nothing but a rank."""
    return low <= 1 - CONFIDENCE and high >= CONFIDENCE


class Candidates(msgspec.Struct, frozen=True):
    """All labels of a dataset that may be wrong, with the probability that they are."""

    # annotation, segment (rows; segment is -1 where nothing is annotated so), type ("missing", "extra", "category",
    # "boundary", "merge", "split" or "shift"), probability (that the label is wrong), low, high (its 95 % interval, as
    # real errors may be rarer or harder to find than injected ones), category, seen (names: as given and as the model
    # sees it; "" for nothing), x, y, width, height, pixels (of what is suspected), flagged (whether it is above the
    # threshold of a category that is to be trusted, and within the budget), whole (not only a part of the segment),
    # believed, believed_seen (the mean probability of `category` and of `seen` over the pixels), right, down (pixels by
    # which the model sees it elsewhere), seam (pixels of the edge that the model sees through it), is_sampled (drawn at
    # random, so that all errors can be estimated)
    suspects: Table
    corrections: tuple[Correction, ...]  # one for each suspect
    # pairs of categories that labels confuse, the worst first: given, seen (names), n (segments given the one that look
    # like the other), reverse, expected (how many of both were to be given so), images, p
    confusions: Table | None = None
    # groups of annotations that are doubted more than others of the same sort, the worst first: column (what tells the
    # groups apart: "annotator", "month" …), name, difference (in the mean probability of an error), usual (that mean of
    # all), n (images compared), p
    doubted: Table | None = None
    # labels to look at where the model does not know the dataset, the oddest first: annotation, segment (rows),
    # category, x, y, width, height, pixels, whole (not only a part of the segment), oddest (in words)
    unusual: Table | None = None


def describe_shift(right: float, down: float) -> str:
    """A shift by whole pixels to the right and down, in words; empty where both round to 0.

    >>> describe_shift(5, -3.4)
    '5 px to the right and 3 px up'
    """
    across, along = round(right), round(down)
    words = [(across, "to the right" if across > 0 else "to the left"), (along, "down" if along > 0 else "up")]
    return " and ".join(f"{abs(by)} px {where}" for by, where in words if by)
