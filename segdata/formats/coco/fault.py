"""What is wrong with one item of a document, before it is known which file and image it belongs to."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one item: its position, the defect's code and message, and where in it (a JSON pointer).

    `lost` is whether something of it is left out; None: as is usual for the code.
    """

    row: int
    code: Literal["SEG004", "SEG005", "SEG006"]
    message: str
    place: str = ""
    lost: bool | None = None
