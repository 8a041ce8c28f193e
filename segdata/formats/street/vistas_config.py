"""Vistas config: the JSON file that says what the labels of Mapillary Vistas are; a label's id is its place in it.

Source: the release's own demo.py and mapillary/mapillary_vistas README.md ("pixel values are treated as indices for
the label list in the config file").
"""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec

from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.mask_values import voc_color
from segdata.formats.street.colours import told_apart

NOBODY = "void--unlabeled"
MOST = 256  # labels: ids have 8 bits


class Label(msgspec.Struct):
    """An entry of the list; other keys are left alone."""

    name: str
    color: Annotated[list[int], msgspec.Meta(min_length=3, max_length=3)] | None = None
    readable: str | None = None
    instances: bool = False
    evaluate: bool = True


class Config(msgspec.Struct):
    """The file."""

    labels: list[Label]
    version: str | float | None = None


def load_vistas_config(path: Path) -> Taxonomy:
    """The labels as a taxonomy, ids their places; raises UnreadableError with the place in the file.

    Labels with instances are things, those that the evaluation leaves out void, the others stuff. `void--unlabeled` is
    no category: it is what nobody labelled.
    """
    try:
        config = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=Config)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: is no config of Mapillary Vistas: {error}") from error
    labels = config.labels
    if not 1 <= len(labels) <= MOST:
        raise UnreadableError(f"{path}: {len(labels)} labels; 1 to {MOST} are expected")
    nobody = next((id_ for id_, label in enumerate(labels) if label.name == NOBODY), None)
    names = [label.name for label in labels]
    readable = [label.readable for label in labels]
    categories = [
        Category(
            id=id_,
            name=label.name,
            kind="void" if not label.evaluate else "thing" if label.instances else "stuff",
            color=_color(path, id_, label),
            parent=label.name.rpartition("--")[0] or None,
            aliases=_alias(label, names, readable),
        )
        for id_, label in enumerate(labels)
        if id_ != nobody
    ]
    return Taxonomy(categories=told_apart(categories), unlabelled=nobody)


def _color(path: Path, id_: int, label: Label) -> Color | None:
    if label.color is None:
        return None
    if any(not 0 <= value <= 255 for value in label.color):
        raise UnreadableError(f"{path}: /labels/{id_}/color {label.color} is not three values from 0 to 255")
    return label.color[0], label.color[1], label.color[2]


def _alias(label: Label, names: Sequence[str], readable: Sequence[str | None]) -> tuple[str, ...]:
    """What people call the label, where they call no other so."""
    if label.readable is None or label.readable in names or readable.count(label.readable) > 1:
        return ()
    return (label.readable,)


def vistas_labels(taxonomy: Taxonomy) -> list[Category]:
    """The labels, in the order of their ids, that a taxonomy is written as; the last one is what nobody labelled.

    Raises SegdataError where there are more than ids.
    """
    first = taxonomy.by_id()
    named = [each for each in taxonomy.categories if each is first[each.id] and each.name != NOBODY]
    if len(named) >= MOST:
        raise SegdataError(f"{len(named)} categories; Mapillary Vistas has ids for {MOST - 1} of them")
    return [*named, Category(id=-1, name=NOBODY, kind="void", color=(0, 0, 0))]


def dump_vistas_config(labels: Sequence[Category], version: str) -> str:
    """The config of these labels, as JSON text."""
    colors = label_colors(labels)
    entries: list[dict[str, Any]] = [  # Any: JSON
        {
            "color": list(color),
            "instances": label.kind == "thing",
            "readable": label.aliases[0] if label.aliases else label.name,
            "name": label.name,
            "evaluate": label.kind != "void",
        }
        for label, color in zip(labels, colors, strict=True)
    ]
    config = {"labels": entries, "version": version.removeprefix("v"), "mapping": "public", "folder_structure": ""}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def label_colors(labels: Sequence[Category]) -> list[Color]:
    """A colour for each label: its own, else the next of VOC's scheme that no other has."""
    taken = {label.rgb for label in labels}
    spare = (color for color in map(voc_color, count(1)) if color not in taken)
    return [label.rgb if label.rgb is not None else next(spare) for label in labels]
