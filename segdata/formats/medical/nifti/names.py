"""Label names: what the values of label volumes are called, in the tables that lie beside them.

Read are BIDS `dseg.tsv` (columns `index`, `name`, `color`; of the volume's own name, or in a folder above it), label
descriptions of ITK-SNAP (`.txt`), and `labels` in a `dataset.json` of nnU-Net (name -> value) or the Medical
Segmentation Decathlon (value -> name).
Source: bids-standard/bids-specification src/derivatives/imaging.md; pyushkevich/itksnap Logic/Common/
ColorLabelTable.cxx; MIC-DKFZ/nnUNet documentation/dataset_format.md.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.taxonomy import Color, as_rgb
from segdata.core.yaml_files import read_utf8
from segdata.formats.medical.nifti.head import stem
from segdata.formats.shared.per_image import relative_path

_SNAP = re.compile(r"^#\s*ITK-SnAP Label Description File", re.IGNORECASE | re.MULTILINE)
_SNAP_LINE = re.compile(r'^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.eE+-]+\s+\d+\s+\d+\s+"(.*)"\s*$')
_MAX_TABLE = 1 << 24  # bytes; a table of names is small, and other .txt files may not be


@dataclass(frozen=True, slots=True)
class Called:
    """What a value is called, and its colour where the table has one."""

    name: str
    color: Color | None = None


@dataclass
class LabelNames:
    """The tables of a dataset, each read once.

    Attributes
    ----------
    root : of the dataset
    defects : what is wrong in the tables
    """

    root: Path
    defects: list[Defect] = field(default_factory=list)
    _read: dict[Path, dict[int, Called]] = field(default_factory=dict, repr=False)

    def of(self, volume: Path) -> dict[int, Called]:
        """The names of the values in a volume, from the nearest table; empty where there is none."""
        for path in self._tables(volume):
            found = self._table(path)
            if found:
                return found
        return {}

    def _tables(self, volume: Path) -> Iterator[Path]:
        """The files that may hold the names, the nearest first."""
        folder = self.root if self.root.is_dir() else self.root.parent
        bare = stem(volume.name)
        yield volume.with_name(f"{bare}.tsv")
        for each in (volume.parent, *volume.parent.parents):
            yield from (each / "dseg.tsv", each / "dataset.json")
            yield from sorted(
                path for path in each.glob("*.txt") if path.is_file() and path.stat().st_size < _MAX_TABLE
            )
            if each == folder or not each.is_relative_to(folder):
                break

    def _table(self, path: Path) -> dict[int, Called]:
        if path not in self._read:
            self._read[path] = self._parsed(path) if path.is_file() else {}
        return self._read[path]

    def _parsed(self, path: Path) -> dict[int, Called]:
        kinds = {".tsv": _of_tsv, ".json": _of_json, ".txt": _of_snap}
        try:
            found = kinds[path.suffix.lower()](read_utf8(path))
        except (SegdataError, ValueError, TypeError, RecursionError, csv.Error) as error:
            if path.suffix.lower() != ".txt":  # any text may lie there
                message = f"names of labels cannot be read: {error}"
                self.defects.append(Defect("SEG004", message, relative_path(self.root, path)))
            return {}
        return {value: called for value, called in found if called.name.strip()}


def _of_tsv(text: str) -> list[tuple[int, Called]]:
    """The rows of a BIDS lookup table."""
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    if rows and not {"index", "name"} <= rows[0].keys():
        raise ValueError("the columns 'index' and 'name' are expected")
    return [(int(row["index"]), Called(row["name"] or "", _hex(row.get("color")))) for row in rows]


def _hex(text: str | None) -> Color | None:
    return as_rgb(text) if text and text != "n/a" else None


def _of_snap(text: str) -> list[tuple[int, Called]]:
    """The lines of a label description of ITK-SNAP; 0 is its "Clear Label"."""
    if not _SNAP.search(text):
        return []
    lines = [match.groups() for line in text.splitlines() if (match := _SNAP_LINE.match(line))]
    return [
        (int(value), Called(name, as_rgb((int(red), int(green), int(blue)))))
        for value, red, green, blue, name in lines
        if int(value)
    ]


def _of_json(text: str) -> list[tuple[int, Called]]:
    """`labels` of a dataset.json, in either direction; regions, which are lists, have no value of their own."""
    data = json.loads(text)
    labels = data.get("labels") if isinstance(data, dict) else None
    if not isinstance(labels, dict):
        return []
    pairs = [(value, name) if isinstance(value, int) else (name, value) for name, value in labels.items()]
    return [(int(value), Called(str(name))) for value, name in pairs if not isinstance(name, list) and int(value)]
