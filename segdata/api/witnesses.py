"""Witnesses: who says what is to be seen in the images of a dataset, networks trained now or predictions in files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segdata.api.caching import folder
from segdata.api.opening import read
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError, missing_extra
from segdata.formats.npz.soft import soft
from segdata.noise.evidence.given import Given
from segdata.noise.suspects import Case, Rows
from segdata.noise.witness import Trained, Witness

if TYPE_CHECKING:
    from segdata.core.label_maps import LabelMaps
    from segdata.core.rule import Tables
    from segdata.noise.networks.plan import Plan
    from segdata.noise.networks.settings import Settings
    from segdata.noise.networks.stage import Stage


@dataclass(frozen=True)
class Seen:
    """What is judged, and by whom; `where` the predictions are, and what was met on the way."""

    case: Case
    where: str
    plan: "Plan | None" = None
    notes: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True)
class Labels:
    """The labels that are to be judged."""

    dataset: Dataset
    tables: "Tables"
    maps: "LabelMaps"
    settings: "Settings"

    @property
    def countable(self) -> frozenset[int]:
        """The ids of categories whose segments are told apart."""
        if self.dataset.profile.task == "semantic":
            return frozenset()
        return frozenset(each.id for each in self.dataset.taxonomy.categories if each.kind == "thing")

    def trained(
        self,
        work: str | Path | None,
        planned: "Callable[[Plan], None]",
        progress: "Callable[[Stage], None]",
    ) -> Seen:
        """By networks that are trained on the other images; `work` as of `segdata.api.flagging.flag`."""
        try:
            import torch  # noqa: F401  # first of all, since nothing else here says what is missing
        except ModuleNotFoundError as error:
            raise missing_extra("PyTorch", "noise", error) from error
        from segdata.noise.networks.out_of_fold import out_of_fold

        found = out_of_fold(
            self.dataset,
            (lambda key: folder() / "flag" / key) if work is None else work,
            self.settings,
            tables=self.tables,
            maps=self.maps,
            planned=planned,
            progress=progress,
        )
        case = self.case(Trained(found, self.countable), f"{self.dataset.profile.files}: no image can be judged")
        return Seen(case, str(found.folder), found.plan, found.notes, found.defects)

    def told(self, predictions: "str | Path | Dataset | Witness") -> Seen:
        """By predictions that are there already."""
        if not isinstance(predictions, (str, Path, Dataset)):
            return Seen(self.case(predictions, "no image has predictions"), "given")
        if not isinstance(predictions, Dataset) and (Path(predictions) / "predictions.json").is_file():
            return self._reopened(Path(predictions))
        from segdata.noise.imported.imported import imported

        opened = self._opened(predictions)
        witness = imported(opened, soft(opened.source), self.maps, self.countable)
        where = opened.profile.files
        ids = f"{self.maps.image_ids[0]!r} here, {opened.image_ids[0]!r} there" if len(opened) else "it has none"
        return Seen(self.case(witness, f"{where}: has no image of these labels ({ids})"), where, notes=witness.notes)

    def _reopened(self, path: Path) -> Seen:
        """Predictions that were made earlier, of the same images."""
        from segdata.noise.networks.predictions import opened

        found = opened(path)
        if list(found.image_ids) != list(self.maps.image_ids):
            raise SegdataError(f"{path}: holds predictions of other images; leave out --predictions to make new ones")
        case = self.case(Trained(found, self.countable), f"{path}: no image can be judged")
        return Seen(case, str(path), found.plan, found.notes, found.defects)

    def _opened(self, predictions: str | Path | Dataset) -> Dataset:
        """Predictions as a dataset; COCO results name images and categories by the ids of the labels' file."""
        if isinstance(predictions, Dataset):
            return predictions
        try:
            return read(predictions, options=self._truth(Path(predictions)))
        except UnreadableError as error:
            raise SegdataError(f"{error} (this is what --predictions says)") from error

    def _truth(self, predictions: Path) -> dict[str, str] | None:
        from segdata.core.format import detect

        files = Path(self.dataset.profile.files)
        if not (files.is_file() and files.suffix == ".json" and predictions.exists()):
            return None
        return {"truth": str(files)} if detect(predictions) == "coco-results" else None

    def case(self, witness: Witness, none: str) -> Case:
        """The labels as this witness can judge them; raises SegdataError with `none` where it can judge nothing."""
        rows = Rows.of(self.tables, self.settings.annotator)
        images = np.flatnonzero(witness.usable & (rows.annotation >= 0))
        if not len(images):
            raise SegdataError(none)
        given = (
            Given.agnostic(self.maps, self.countable) if witness.agnostic else Given.of(self.maps, witness.categories)
        )
        return Case(given, witness, self._names(witness), self.tables, rows, images)

    def _names(self, witness: Witness) -> Sequence[str]:
        name_of, countable = self.dataset.profile.name_of, sorted(self.countable)
        if witness.agnostic:
            return ["", name_of(countable[0]) if len(countable) == 1 else "object"]
        return ["", *map(name_of, witness.categories)]
