"""dataset.json of nnU-Net: what its keys say, and what nnU-Net itself would refuse.

Source: MIC-DKFZ/nnUNet documentation/dataset_format.md, region_based_training.md and ignore_label.md;
nnunetv2/utilities/label_handling/label_handling.py; nnunetv2/experiment_planning/verify_dataset_integrity.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import FileProbe
from segdata.core.yaml_files import read_utf8

DATASET_JSON = "dataset.json"
IGNORE, BACKGROUND = "ignore", "background"
CATEGORY_IDS = "category_ids"  # our own key: name -> id in taxonomy.yaml
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DatasetJson:
    """The content of a dataset.json.

    Attributes
    ----------
    labels : name -> its values, of which regions have several; without background, in the order of the file
    class_order : with regions, the value that each of them is painted with, the largest first; else empty
    channels : the names of the images' channels
    ending : of files, with the dot
    cases : name -> paths of its images and of its labels, where the file lists them
    n_training : the number of cases it declares; None: it declares none
    ids : name -> category id, where our writer left them
    text : the file
    defects : what nnU-Net would refuse, and malformed entries
    """

    labels: Mapping[str, tuple[int, ...]]
    class_order: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()
    ending: str = ".nii.gz"
    cases: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    n_training: int | None = None
    ids: Mapping[str, int] = field(default_factory=dict)
    text: str = field(default="", repr=False)
    defects: tuple[Defect, ...] = ()

    @property
    def has_regions(self) -> bool:
        """Whether categories are regions of several values."""
        return any(len(values) > 1 for values in self.labels.values())

    @property
    def values(self) -> set[int]:
        """Every value that may occur, but 0."""
        return {value for values in self.labels.values() for value in values}


def nnunet_evidence(probe: FileProbe) -> str | None:
    """Why a folder looks like a dataset of nnU-Net; None if it does not."""
    if not probe.heads(r"^dataset\.json$", rb'"labels"\s*:'):
        return None
    folders = probe.matching(r"^(labels|images)T[rs]/")
    if not folders and not probe.heads(r"^dataset\.json$", rb'"file_ending"\s*:'):
        return None
    return "dataset.json with labels" + (f", and {folders[0].partition('/')[0]}/" if folders else "")


def read_dataset_json(path: Path) -> DatasetJson:
    """Read a file; raises UnreadableError if it is not a dataset.json."""
    try:
        return parse_dataset_json(read_utf8(path), str(path))
    except UnreadableError:
        raise
    except (SegdataError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not JSON: {error}") from error


def parse_dataset_json(text: str, path: str) -> DatasetJson:
    """Parse a text; `path` is for messages. Raises ValueError if it is not JSON, UnreadableError for other JSON."""
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("labels"), dict):
        raise UnreadableError(f"{path}: no 'labels' (name -> value), so this is not nnU-Net's dataset.json")
    defects: list[Defect] = []
    labels = _labels(data["labels"], defects)
    order = data.get("regions_class_order", [])
    order = order if _are_values(order) else []
    regions = [name for name in labels if name != IGNORE]
    if any(len(values) > 1 for values in labels.values()) and len(order) != len(regions):
        message = f"regions_class_order has {len(order)} values, there are {len(regions)} regions; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/regions_class_order"))
    _check_values(labels, defects)
    channels = data.get("channel_names", data.get("modality", {}))
    ending = data.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or not ending.startswith(".") or "/" in ending:
        defects.append(
            Defect("SEG004", f"file_ending is {ending!r}; expected '.nii.gz', '.png' …", DATASET_JSON, "/file_ending")
        )
        ending = ".nii.gz"
    n_training = data.get("numTraining")
    return DatasetJson(
        labels,
        tuple(order),
        tuple(map(str, channels.values())) if isinstance(channels, dict) else (),
        ending,
        _cases(data.get("dataset", {}), defects),
        n_training if isinstance(n_training, int) else None,
        {name: id_ for name, id_ in _mapping(data.get(CATEGORY_IDS)).items() if _is_value(id_)},
        text,
        tuple(defects),
    )


def _labels(labels: Mapping[str, Any], defects: list[Defect]) -> dict[str, tuple[int, ...]]:
    """Name -> values, of either direction: version 1 and the Decathlon write value -> name."""
    values_of: dict[str, tuple[int, ...]] = {}
    for key, value in labels.items():
        name, values = (value, key) if isinstance(value, str) and key.isdigit() else (key, value)
        numbers: list[Any] = values if isinstance(values, list) else [int(values) if str(values).isdigit() else values]
        if not _are_values(numbers) or not numbers or not name:
            message = f"label {name!r} is {json.dumps(values)[:40]}, not a value or a list of values; it is left out"
            defects.append(Defect("SEG004", message, DATASET_JSON, f"/labels/{key}"))
        elif name in values_of:
            defects.append(Defect("SEG008", f"label {name!r} occurs twice", DATASET_JSON, f"/labels/{key}"))
        elif numbers != [0]:
            values_of[name] = tuple(dict.fromkeys(numbers))
    return values_of


def _check_values(labels: Mapping[str, Sequence[int]], defects: list[Defect]) -> None:
    """Check what nnU-Net asserts: values 0, 1, 2 … without a gap, and `ignore` as the highest."""
    values = sorted({value for numbers in labels.values() for value in numbers})
    if values != list(range(1, len(values) + 1)):
        shown = ", ".join(map(str, values[:12])) + (", …" if len(values) > 12 else "")
        message = f"values are {shown}; nnU-Net needs 1, 2, 3 … without a gap"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels", severity="warning"))
    ignored = labels.get(IGNORE)
    if ignored and (len(ignored) > 1 or ignored[0] != max(values)):
        message = "ignore must be one value, the highest; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, DATASET_JSON, "/labels/ignore"))


def _cases(data: Any, defects: list[Defect]) -> dict[str, tuple[tuple[str, ...], str]]:  # Any: foreign JSON
    """The cases that are listed with their files."""
    cases = {}
    for name, case in _mapping(data).items():
        images, label = (case.get("images"), case.get("label")) if isinstance(case, dict) else (None, None)
        if (
            not isinstance(images, list)
            or not all(isinstance(path, str) for path in images)
            or not isinstance(label, str)
        ):
            message = f"case {name!r} needs 'images', a list of paths, and 'label', a path"
            defects.append(Defect("SEG004", message, DATASET_JSON, f"/dataset/{name}"))
        else:
            cases[name] = tuple(images), str(label)
    return cases


def _mapping(data: Any) -> dict[str, Any]:  # Any: foreign JSON
    return data if isinstance(data, dict) else {}


def _is_value(number: Any) -> bool:  # Any: foreign JSON
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST


def _are_values(numbers: Any) -> bool:  # Any: foreign JSON
    return isinstance(numbers, list) and all(map(_is_value, numbers))
