"""Say how much annotators agree, on what, who differs, and how sure that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.core.config import Config
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.formats.images import image_limits

if TYPE_CHECKING:
    from segdata.agreement.panel.paired import Member
    from segdata.agreement.panel.panel import Panel
    from segdata.agreement.summary.agreed import Agreement
    from segdata.agreement.summary.estimates import Resampling
    from segdata.core.config import Gold
    from segdata.core.defect import Defect
    from segdata.core.opposed import Judged, Opposed
    from segdata.core.rule import Rule, Tables

Named = tuple[str | None, Data]


@dataclass(frozen=True, slots=True)
class Compared:
    """An agreement with what it was made of: the panel as a dataset of all annotators, and the measured tables."""

    agreement: "Agreement"
    dataset: Dataset
    tables: "Tables"


class AgreementOptions(ReadOptions, total=False):
    """The options of `agree`."""

    gold: str | None
    by: str | None
    plan: float | None
    pair_by: str | None
    taxonomy_map: str | Path | None
    tolerance: float | None
    tolerance_mm: float | None
    confidence: float
    resamples: int
    seed: int
    anonymise: bool
    select: str | Iterable[str]
    ignore: str | Iterable[str]
    jobs: int
    progress: Progress


def agree(data: Data | Mapping[str, Data] | Sequence[Named], **options: Unpack[AgreementOptions]) -> "Agreement":
    """How much annotators agree.

    Parameters
    ----------
    data : one dataset with several annotators; or several by the annotators' names; or pairs (name, dataset), where a
        name may occur twice (the same person's second pass) or be None (as the dataset says)
    gold : the name of the reference, against which everyone is held; default: the one in segdata.yaml, of the first
        dataset that has the section `gold`
    by : a column that tells images apart, as `segdata.core.strata` names columns
    plan : also say how many images must be labelled twice for intervals of plus and minus this
    pair_by : how images are paired, see `segdata.agreement.panel.panel.panel`; default: by the first way that pairs any
    taxonomy_map : a file that says under which names categories are compared
    tolerance, tolerance_mm : how far apart boundaries may be and still be one: in pixels (2), and in mm where known
    confidence, resamples, seed : of the intervals
    anonymise : call the annotators A, B, C, but for the reference
    select, ignore : rules, as for `validate`
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call
    and format, taxonomy, images, config, only, roi: as for `read`

    Returns scores with intervals, who differs in what, and findings. The same input and seed give the same result.
    Raises SegdataError as `read` does, and where there is one annotator only, or no image in common.
    """
    return compare_annotators(data, **options).agreement


def compare_annotators(
    data: Data | Mapping[str, Data] | Sequence[Named],
    *,
    gold: str | None = None,
    by: str | None = None,
    plan: float | None = None,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    tolerance: float | None = None,
    tolerance_mm: float | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    anonymise: bool = False,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> Compared:
    """The same as `agree`, with what it was made of."""
    from segdata.agreement.compare import compare
    from segdata.agreement.gold.gold import section_of, tolerance_of
    from segdata.agreement.panel.mirrored import mirrored
    from segdata.agreement.summary.estimates import Resampling
    from segdata.agreement.summary.plans import plan as planned
    from segdata.agreement.summary.portions import by_column
    from segdata.agreement.summary.summary import summary
    from segdata.core.judge import judge, selected

    panel = open_panel(members(data, opening), pair_by, taxonomy_map)
    config = panel.members[0].dataset.config
    section = section_of(each.dataset.config for each in panel.members)
    gold = gold or (section.name if section else None)
    chosen = selected(config, select, ignore, command="agreement") + ([] if select else _of_readers(config, ignore))
    how = Resampling(confidence, resamples, seed)
    with image_limits():
        tables = compare(
            panel,
            tolerance=tolerance_of(section if gold else None, tolerance, tolerance_mm),
            jobs=jobs,
            progress=progress,
        )
        opposed = tables.opposed
        assert opposed is not None
        _check_annotators(panel, opposed.annotators, len(opposed.pairs), tables.defects)
        if anonymise:
            aliases = _letters(opposed.annotators, gold)
            panel, tables = replace(panel, aliases=aliases), _under_letters(tables, opposed, aliases)
            opposed = tables.opposed
            assert opposed is not None
        found = mirrored(panel, opposed)
    judged = _judged(tables, gold, section, how)
    tables = replace(tables, defects=(*tables.defects, *found), judged=judged)
    findings = judge(tables, chosen, config, jobs=jobs).findings
    result = summary(
        opposed,
        how,
        bias=judged.biases,
        by=None if by is None else by_column(tables, opposed, by, how),
        plan=() if plan is None else planned(opposed, plan, how),
        findings=findings,
    )
    return Compared(result, Dataset(panel, panel.profile, config), tables)


def _of_readers(config: Config, ignore: str | Iterable[str]) -> "list[Rule]":
    """The rules that pass on what is broken in the files: labels that could not be read are no disagreement."""
    from segdata.core.judge import selected

    return [each for each in selected(config, "SEG0", ignore) if each.severity == "error" and not each.needs]


def members(data: Data | Mapping[str, Data] | Sequence[Named], opening: ReadOptions) -> "list[Member]":
    """The datasets of a panel, opened, by the names that the caller gives."""
    from segdata.agreement.panel.paired import Member

    return [Member(each if isinstance(each, Dataset) else read(each, **opening), name) for name, each in named(data)]


def named(data: Data | Mapping[str, Data] | Sequence[Named]) -> list[Named]:
    """Datasets with the names that the caller gives, or None."""
    if isinstance(data, (str, Path, Dataset)):
        return [(None, data)]
    return list(data.items()) if isinstance(data, Mapping) else list(data)


def open_panel(every: "Sequence[Member]", pair_by: str | None, taxonomy_map: str | Path | None) -> "Panel":
    """The panel of some datasets; `pair_by` and `taxonomy_map` as for `agree`."""
    from segdata.agreement.panel.panel import panel
    from segdata.edit.taxonomy_map import load_map

    renamed: dict[str, str | None] = {}
    if taxonomy_map is not None:
        for old, new in load_map(Path(taxonomy_map))[0].categories.items():
            if isinstance(new, tuple):
                raise SegdataError(f"{taxonomy_map}: {old} is undecided ({' or '.join(new)}); write one name")
            renamed[old] = new
    with image_limits():
        return panel(every, pair_by=pair_by, renamed=renamed)


def _check_annotators(panel: "Panel", annotators: tuple[str, ...], n_pairs: int, defects: "Sequence[Defect]") -> None:
    """Raise SegdataError where there is nobody to agree with."""
    from segdata.agreement.panel.panel import SIZES

    sizes = [each for each in defects if each.code == SIZES]
    if n_pairs == 0 and sizes:
        first = sizes[0]
        raise SegdataError(
            f"{panel.profile.files}: no image has the same size in two datasets; {first.image}: {first.message}"
        )
    if len(annotators) < 2:
        who = f"only {annotators[0]} annotated" if annotators else "nobody annotated"
        raise SegdataError(
            f"{panel.profile.files}: {who} these images; agreement takes two annotators or more: give several "
            "datasets as NAME=DATA, or one in which annotations name their annotators"
        )
    if n_pairs == 0:
        raise SegdataError(f"{panel.profile.files}: no image was annotated by two of {', '.join(annotators)}")


def _judged(tables: "Tables", gold: str | None, section: "Gold | None", how: "Resampling") -> "Judged":
    """What follows from the tables."""
    from segdata.agreement.disputes import disputes
    from segdata.agreement.gold.gold import standing, under
    from segdata.agreement.habits.bias import biases
    from segdata.agreement.habits.repeats import repeats
    from segdata.agreement.habits.unclear import unclear
    from segdata.core.config import nearest
    from segdata.core.opposed import Judged

    opposed = tables.opposed
    assert opposed is not None
    if gold is not None and gold not in opposed.annotators:
        known = ", ".join(opposed.annotators)
        raise SegdataError(f"gold: no annotator {gold!r}{nearest(gold, list(opposed.annotators))}; there are: {known}")
    reference = None if gold is None else opposed.annotators.index(gold)
    below = standing(opposed, reference, section if gold else None, how)
    return Judged(
        disputes=disputes(opposed, reference),
        biases=biases(opposed, how.seed, n_draws=how.n_draws),
        unclear=unclear(opposed, how),
        repeats=repeats(opposed, how),
        below=under(below),
        gold=reference,
    )


def _letters(annotators: Sequence[str], gold: str | None) -> dict[str, str]:
    """Letters for persons, and numbers for their further passes.

    >>> _letters(["anna", "anna (2)", "ben", "truth"], "truth")
    {'anna': 'A', 'anna (2)': 'A (2)', 'ben': 'B'}
    """
    from segdata.agreement.compare import person_of

    persons = [name for name in dict.fromkeys(map(person_of, annotators)) if name != gold]
    called = {name: _letter(k) for k, name in enumerate(persons)}
    return {
        name: name.replace(person_of(name), called[person_of(name)], 1)
        for name in annotators
        if person_of(name) in called
    }


def _letter(k: int) -> str:
    """A to Z, then AA."""
    return (_letter(k // 26 - 1) if k >= 26 else "") + chr(ord("A") + k % 26)


def _under_letters(tables: "Tables", opposed: "Opposed", aliases: Mapping[str, str]) -> "Tables":
    import numpy as np

    names = np.array([aliases.get(name, name) for name in tables.annotations["annotator"].tolist()], object)
    defects = tuple(
        replace(each, annotator=aliases.get(each.annotator or "", each.annotator)) for each in tables.defects
    )
    called = tuple(aliases.get(name, name) for name in opposed.annotators)
    return replace(
        tables,
        annotations=tables.annotations.beside(annotator=names),
        defects=defects,
        opposed=replace(opposed, annotators=called),
    )
