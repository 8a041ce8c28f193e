"""Note: what the text file of an image says of one object, in the release of 2021 or that of 2016."""

from dataclasses import dataclass, field
from pathlib import Path

from segdata.core.finding import Defect


@dataclass(frozen=True, slots=True)
class Note:
    """An object in a text file.

    Attributes
    ----------
    name : of its category, WordNet's synonyms: ``"car, auto, automobile, machine, motorcar"``
    level : 0 for objects, 1 for their parts, 2 for parts of these …
    place : where in the file: a JSON pointer, or a line
    id : of the object in its image; None where objects are numbered instead
    number : which of the instances of its level it is, from 1; None where objects have ids
    category : the index of its category; None where the file does not tell it
    part_of : the id of what it is a part of
    mask : its own mask, visible and hidden pixels
    attributes : name -> JSON text
    columns : what has a column of its own: score, source, track_id, iscrowd
    """

    name: str
    level: int
    place: str
    id: int | None = None
    number: int | None = None
    category: int | None = None
    part_of: int | None = None
    mask: Path | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    columns: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notes:
    """What the text file of one image says.

    Attributes
    ----------
    objects : those that can be read
    filename : of the image
    hypernyms : category index -> WordNet's ever wider terms
    metadata : of the image, name -> JSON text
    defects : what is wrong with the file
    """

    objects: tuple[Note, ...] = ()
    filename: str | None = None
    hypernyms: dict[int, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    defects: tuple[Defect, ...] = ()
