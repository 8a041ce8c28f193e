"""Known: errors in labels that are known, for `flag --evaluate`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from segdata.api.opening import read
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.label_maps import LabelMaps
from segdata.noise.evidence.drawn import Flags
from segdata.noise.evidence.given import Given
from segdata.noise.imported.imported import paired
from segdata.noise.mistakes.evaluation import Ranked
from segdata.noise.mistakes.mistakes import Mistakes
from segdata.noise.mistakes.truth import Against, Known, differences, listed, read_known
from segdata.noise.scoring.scores import Suspicions
from segdata.noise.suspects import Case

Truth = list[Known] | LabelMaps


def known(truth: str | Path | Dataset) -> Truth:
    """What is known: a list of errors (a JSON file that begins with a list of them), or clean labels.

    Raises SegdataError where it is neither.
    """
    if isinstance(truth, Dataset):
        return truth.maps()
    path = Path(truth)
    if path.is_file() and path.suffix == ".json" and _is_list(path):
        return read_known(path)
    try:
        return read(path).maps()
    except UnreadableError as error:
        raise SegdataError(f"{error} (the truth is a dataset of clean labels, or a list of errors)") from error


def _is_list(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return head.lstrip().startswith(b"[") and (b'"clean_counts"' in head or not head.split(b"[", 1)[1].strip(b" ]\n"))


def ranked(found: Suspicions, case: Case, truth: Truth) -> tuple[Ranked, tuple[str, ...]]:
    """The candidates with the errors that they are about, and what a reader must know of the comparison.

    Images without clean labels are left out: nobody knows which of their labels are wrong. Raises SegdataError where
    the truth is of other images.
    """
    known = np.ones(len(case.images), bool)
    if isinstance(truth, list):
        errors = _listed(case, truth)
    else:
        errors, known = _compared(case, truth)
    drawn = Against(errors).ranked(found, lambda at: case.given.drawn(int(case.images[at])), case.witness.things)
    return _among(drawn, known), _left_out(known)


def _among(found: Ranked, known: Flags) -> Ranked:
    """The same for some images only; no mistake may be in any other."""
    number, kept = np.cumsum(known) - 1, known[found.image]
    return replace(
        found,
        score=found.score[kept],
        image=number[found.image[kept]],
        mistake=found.mistake[kept],
        mistake_image=number[found.mistake_image],
        n_images=int(known.sum()),
    )


def _left_out(known: Flags) -> tuple[str, ...]:
    n = int((~known).sum())
    return (f"{n:,} of {len(known):,} images have no clean labels: they are left out of the evaluation",) if n else ()


def _listed(case: Case, truth: list[Known]) -> list[Mistakes]:
    names = [case.given.maps.image_ids[row] for row in case.images.tolist()]
    by_image: dict[str, list[Known]] = {}
    for each in truth:
        by_image.setdefault(each.image, []).append(each)
    if truth and not set(by_image) & set(names):
        raise SegdataError(f"the known errors are in other images: {truth[0].image!r} there, {names[0]!r} here")
    return [
        listed(by_image.get(name, []), case.given.drawn(row))
        for name, row in zip(names, case.images.tolist(), strict=True)
    ]


def _compared(case: Case, truth: LabelMaps) -> tuple[list[Mistakes], Flags]:
    """The errors of each image that was looked at, and whether there are clean labels of it."""
    maps = case.given.maps
    row_of = paired(maps.image_ids, truth.image_ids)
    known = row_of[case.images] >= 0
    if not known.any():
        raise SegdataError(f"the clean labels are of other images: {truth.image_ids[:1]} there")
    name = {name.casefold(): id_ for name, id_ in zip(maps.names, maps.classes, strict=True)}
    channel = dict(zip(maps.classes, case.given.channel.tolist(), strict=True))
    clean = Given(truth, np.array([channel.get(name.get(each.casefold(), -1), -1) for each in truth.names], np.int64))
    errors = []
    for row in case.images.tolist():
        given, there = case.given.drawn(row), int(row_of[row])
        other = given if there < 0 else clean.drawn(there)
        if (other.height, other.width) != (given.height, given.width):
            raise SegdataError(
                f"{maps.image_ids[row]}: the clean labels are {other.width}x{other.height} px, the given ones "
                f"{given.width}x{given.height} px"
            )
        errors.append(differences(given, other, case.witness.things))
    return errors, known
