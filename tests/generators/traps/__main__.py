"""`python -m tests.generators.traps FOLDER`: write all traps, a folder each."""

import json
import sys
from pathlib import Path

import numpy as np

from segdata.core.schema import runs_to_rle
from segdata.testing.pictures import runs_of_masks
from tests.generators.traps.trap import Trap, TrueSegment, Truth, traps


def write_trap(trap: Trap, folder: Path) -> Truth:
    """Write one trap into `folder`, with `expected.json`."""
    files = folder / "data"
    files.mkdir(parents=True)
    truth = trap.make(files)
    said = {
        "trap": trap.code,
        "name": trap.name,
        "situation": trap.situation,
        "format": trap.format,
        "open": truth.open,
        "write_to": truth.to,
        "refused": truth.refused,
        "findings": list(truth.findings),
        "segments": [_said(each) for each in truth.segments],
    }
    (folder / "expected.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return truth


def _said(segment: TrueSegment) -> dict[str, object]:
    height, width = segment.mask.shape
    size = np.array([height]), np.array([width])
    counts = runs_to_rle(runs_of_masks([segment.mask]), *size)[0].as_py().decode()
    said = {
        "image": segment.image,
        "category": segment.category,
        "area": int(segment.mask.sum()),
        "rle": {"size": [height, width], "counts": counts},
        "iscrowd": segment.iscrowd,
        "track": segment.track,
        "annotator": segment.annotator,
        "attributes": None if segment.attributes is None else dict(segment.attributes),
    }
    return {name: value for name, value in said.items() if value is not None}


def main(folder: Path) -> None:
    """Write all traps below `folder`."""
    for trap in traps():
        write_trap(trap, folder / f"{trap.code}-{trap.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "traps"))
