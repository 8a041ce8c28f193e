"""Schemas: a JSON Schema for every report and every file that users write.

`python -m segdata.report.schemas [FOLDER]` writes them, into `schemas/` by default.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.config import Config
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement.tables import agreement_schema as agreement
from segdata.report.consensus import consensus_schema as consensus
from segdata.report.conversion import certificate_schema as losses
from segdata.report.dataset_report import dataset_report_schema as report
from segdata.report.diff import diff_schema as difference
from segdata.report.findings import findings_schema as findings
from segdata.report.flag import flag_schema as flag
from segdata.report.pilot import pilot_schema as pilot
from segdata.report.quality import acceptance_schema as acceptance
from segdata.report.quality import evaluation_schema as evaluation
from segdata.report.quality import plan_schema as acceptance_plan
from segdata.report.quality import rework_schema as rework
from segdata.report.review import review_schemas as review
from segdata.report.scorecard import scorecard_schema as scorecard
from segdata.review.decision_log import export_schema as decisions
from segdata.store.manifest import schema as manifest


def schemas() -> dict[str, str]:
    """File name -> text of the schema."""
    found: dict[str, tuple[str, dict[str, Any]]] = {  # Any: JSON
        "acceptance": ("segdata acceptance judge --format json", acceptance()),
        "acceptance_plan": ("segdata acceptance plan --format json", acceptance_plan()),
        "agreement": ("segdata agreement --format json", agreement()),
        "consensus": ("segdata consensus --format json", consensus()),
        "dataset": ("dataset.yaml: a canonical dataset", manifest()),
        "difference": ("segdata diff --format json", difference()),
        "evaluation": ("segdata evaluate --format json", evaluation()),
        "flag": ("segdata flag --format json", flag()),
        "findings": ("segdata validate --format json", findings()),
        "losses": ("losses.json: the losses of a conversion", losses()),
        "pilot": ("segdata pilot --format json", pilot()),
        "report": ("segdata report --format json", report()),
        "rework": ("segdata rework --format json", rework()),
        "scorecard": ("segdata scorecard --format json", scorecard()),
        "decisions": ("decisions: the export of the HTML report", decisions()),
        **review(),
        "segdata": ("segdata.yaml: the settings of a project", msgspec.json.schema(Config)),
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
