"""Paired: which images of a panel's datasets are one, and which only one of them has."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Defect
from segdata.core.paths import PairBy, PairingKey, pairing_keys

UNPAIRED = "SEG410"
Found = dict[PairingKey, list[tuple[int, int]]]
_TRIED: tuple[PairBy, ...] = ("id", "stem", "name", "varying")


@dataclass(frozen=True, slots=True)
class Member:
    """One dataset of a panel.

    Attributes
    ----------
    dataset : opened
    name : the annotator of everything in it; None: as its annotations say, or else as it is called
    depth : of how many parts of its path what it is called is made
    """

    dataset: OpenDataset
    name: str | None = None
    depth: int = 1

    @property
    def called(self) -> str:
        """What to call an annotator who has no name in it."""
        return self.name or "/".join(self._path.parts[-self.depth :]) or "unnamed"

    @property
    def _path(self) -> Path:
        return Path(self.dataset.profile.files or self.dataset.profile.name)

    def own(self, defects: Sequence[Defect]) -> tuple[Defect, ...]:
        """The defects of its files, with whose work these are."""
        return tuple(replace(each, annotator=each.annotator or self.name) for each in defects)

    def beside(self, others: "Sequence[Member]") -> "Member":
        """The same, called by as much of its path as tells it apart from others without a name, if anything does."""
        others = [each for each in others if each.name is None and each._path != self._path]
        depths = range(1, len(self._path.parts) + 1)
        apart = (k for k in depths if all(each._path.parts[-k:] != self._path.parts[-k:] for each in others))
        return self if self.name else replace(self, depth=next(apart, 1))


def paired(members: Sequence[Member], pair_by: str | None) -> tuple[PairBy, Found]:
    """Key -> (member, row of its source) of every image, in the order in which they occur."""
    tried: tuple[PairBy, ...] = _TRIED if pair_by is None else (pair_by,)  # type: ignore[assignment]  # checked
    for by in tried:
        found: Found = {}
        for k, member in enumerate(members):
            rows = member.dataset.rows
            of_source = range(len(member.dataset)) if rows is None else rows.tolist()
            for key, row in zip(_keys_of(member.dataset, by), of_source, strict=True):
                found.setdefault(key, []).append((k, row))
        if len(members) == 1 or any(len({k for k, _ in rows}) > 1 for rows in found.values()):
            return by, found
    said = ", ".join(f"{each.called} has {_some(each.dataset.image_ids)}" for each in members)
    raise SegdataError(f"no image is in two datasets, by {' or '.join(tried)}: {said}; rename them, or try --pair")


def _keys_of(dataset: OpenDataset, by: PairBy) -> list[PairingKey]:
    return _contents(dataset) if by == "content" else pairing_keys(dataset.image_ids, by)


def _contents(dataset: OpenDataset) -> list[PairingKey]:
    """(n,) hashes of the image files; an image without a file has its id."""
    order = {name: k for k, name in reversed(list(enumerate(dataset.image_ids)))}
    found: list[PairingKey] = [(name, "id") for name in dataset.image_ids]
    for batch in dataset.batches():
        for name, known, uri in zip(
            *(batch.images[each].to_pylist() for each in ("image_id", "sha256", "uri")), strict=True
        ):
            digest = known or _hash_of(uri)
            if digest is not None:
                found[order[name]] = (digest, "sha256")
    return found


def _hash_of(uri: str | None) -> str | None:
    if uri is None or not Path(uri).is_file():
        return None
    with Path(uri).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpaired(members: Sequence[Member], found: Found) -> list[Defect]:
    """What could not be paired, one defect a dataset."""
    if len(members) == 1:
        return []
    alone: dict[int, list[str]] = {}
    for rows in found.values():
        if len({k for k, _ in rows}) == 1:
            k, row = rows[0]
            alone.setdefault(k, []).append(members[k].dataset.source.image_ids[row])
    return [
        Defect(
            UNPAIRED,
            f"{count_noun(len(names), 'image')} of "
            f"{count_noun(len(members[k].dataset), 'image')} in {members[k].called} "
            f"{'is' if len(names) == 1 else 'are'} in no other dataset: {_some(names)}",
            file=members[k].dataset.profile.files,
        )
        for k, names in sorted(alone.items())
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
