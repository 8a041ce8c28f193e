"""The text file of an image in ADE20K's release of 2016: `X_atr.txt`, a line for each object.

Columns, between `#`: number of the instance in its level, level, occluded (0 or 1), name (WordNet's), name as
annotated, attributes in quotes, separated by commas.
Source: groups.csail.mit.edu/vision/datasets/ADE20K; open-edge-platform/datumaro
src/datumaro/plugins/data_formats/ade20k2017.py.
"""

import re
from pathlib import Path

import msgspec

from segdata.core.finding import Defect
from segdata.formats.ade.document import MOST_LEVELS
from segdata.formats.ade.note import Note, Notes

_LINE = re.compile(r'\s*(\d{1,6})\s*#\s*(\d{1,3})\s*#\s*([01])\s*#\s*(.*?)\s*#\s*(.*?)\s*#\s*"?(.*?)"?\s*')


def read_atr(path: Path, file: str) -> Notes:
    """What the text file says; `file` is its name in defects. Broken lines are left out."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Notes(defects=(Defect("SEG001", f"cannot be read: {error.strerror or error}", file),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    defects: list[Defect] = []
    objects: dict[tuple[int, int], Note] = {}
    for row, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line)
        if found is None or not found[4] or int(found[2]) > MOST_LEVELS:
            message = f"{line[:80]!r} is not 'number # level # occluded # name # name # \"attributes\"'"
            defects.append(Defect("SEG004", message, file, line=row))
            continue
        number, level = int(found[1]), int(found[2])
        if (level, number) in objects:
            message = f"instance {number} of level {level} is on {objects[level, number].place} already"
            defects.append(Defect("SEG008", message, file, line=row))
            continue
        objects[level, number] = Note(found[4], level, f"line {row}", number=number, attributes=_attributes(found))
    return Notes(tuple(objects.values()), defects=tuple(defects))


def _attributes(found: re.Match[str]) -> dict[str, str]:
    words = [word.strip() for word in found[6].split(",") if word.strip()]
    said: dict[str, object] = {"occluded": found[3] == "1", "raw_name": found[5], "attributes": words}
    return {name: msgspec.json.encode(value).decode() for name, value in said.items() if value not in ("", [])}
