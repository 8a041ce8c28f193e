"""Schemas: a JSON Schema for every file that a person or a program writes or reads.

`python -m segdata.report.schemas [FOLDER]` writes them, into `schemas/` by default.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.config import Config
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement_json import schema as agreement
from segdata.report.certificate import schema as losses
from segdata.report.consensus_json import schema as consensus
from segdata.report.diff_json import schema as difference
from segdata.report.json import schema as findings
from segdata.report.pilot_json import schema as pilot
from segdata.store.manifest import schema as manifest


def schemas() -> dict[str, str]:
    """File name -> text of the schema."""
    found: dict[str, tuple[str, dict[str, Any]]] = {  # Any: JSON
        "agreement": ("segdata agreement --format json", agreement()),
        "consensus": ("segdata consensus --format json", consensus()),
        "dataset": ("dataset.yaml: a canonical dataset", manifest()),
        "difference": ("segdata diff --format json", difference()),
        "findings": ("segdata validate --format json", findings()),
        "losses": ("losses.json: what a conversion lost", losses()),
        "pilot": ("segdata pilot --format json", pilot()),
        "segdata": ("segdata.yaml: what a project decides", msgspec.json.schema(Config)),
        "taxonomy": ("taxonomy.yaml: the categories", msgspec.json.schema(Taxonomy)),
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.schema.json": json.dumps({**head, "title": title, **schema}, indent=2, ensure_ascii=False) + "\n"
        for name, (title, schema) in found.items()
    }


def write(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
