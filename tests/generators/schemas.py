"""Schemas: a JSON Schema for every report and every file that users write.

`python -m tests.generators.schemas [FOLDER]` writes them, into `schemas/` by default.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from segdata.agreement.acceptance import Inspection
from segdata.agreement.consensus import UndecidedReport
from segdata.agreement.consensus_dataset import ConsensusReport
from segdata.agreement.scorecard import Scorecard
from segdata.core.config import Config
from segdata.core.taxonomy import Taxonomy
from segdata.report.agreement.text import AgreementReport
from segdata.report.dataset_report import DatasetReportJson
from segdata.report.diff import DiffReport, TaxonomyDiffReport
from segdata.report.edits import HistoryReport, LossCertificate, SampleReport, SplitReport
from segdata.report.findings import FindingsReport
from segdata.report.flag import FlagReport
from segdata.report.info import InfoReport
from segdata.report.pilot import PilotReport
from segdata.report.quality import EvaluationReport, PlanReport, ReworkReport
from segdata.report.reference_pages import FormatRow, RuleRow
from segdata.report.review import ExportedReport, ProgressReport, PulledReport
from segdata.review.annotation_tasks import ImportResult
from segdata.review.apply import ApplyResult
from segdata.review.decision_log import DecisionExport
from segdata.store.manifest import Manifest

_SPARSE = ("FindingRow", "Correction")  # definitions whose optional fields may be missing
_RESULTS: dict[str, tuple[str, type[msgspec.Struct]]] = {  # undefined numbers are null
    "acceptance": ("segdata acceptance judge --format json", Inspection),
    "acceptance_plan": ("segdata acceptance plan --format json", PlanReport),
    "agreement": ("segdata agreement --format json", AgreementReport),
    "consensus": ("segdata consensus --format json", ConsensusReport),
    "difference": ("segdata diff --format json", DiffReport),
    "evaluation": ("segdata evaluate --format json", EvaluationReport),
    "history": ("segdata history --format json", HistoryReport),
    "info": ("segdata info --format json", InfoReport),
    "losses": ("losses.json: the losses of a conversion", LossCertificate),
    "pilot": ("segdata pilot --format json", PilotReport),
    "rework": ("segdata rework --format json", ReworkReport),
    "sample": ("segdata sample --format json", SampleReport),
    "scorecard": ("segdata scorecard --format json", Scorecard),
    "split": ("segdata split --format json", SplitReport),
    "undecided": ("undecided.json: the regions without a consensus", UndecidedReport),
    "taxonomy_difference": ("segdata taxonomy diff --format json", TaxonomyDiffReport),
}
_PLAIN: dict[str, tuple[str, Any]] = {  # Any: a type, or a list of one
    "formats": ("segdata formats --format json", list[FormatRow]),
    "rules": ("segdata rules --format json", list[RuleRow]),
    "flag": ("segdata flag --format json", FlagReport),
    "findings": ("segdata validate --format json", FindingsReport),
    "report": ("segdata report --format json", DatasetReportJson),
    "decisions": ("decisions: the export of the HTML report", DecisionExport),
    "review_applied": ("segdata review apply --format json", ApplyResult),
    "review_exported": ("segdata review export --format json", ExportedReport),
    "review_imported": ("segdata review import --format json", ImportResult),
    "review_progress": ("segdata review report --format json", ProgressReport),
    "review_pulled": ("segdata review pull --format json", PulledReport),
    "segdata": ("segdata.yaml: the settings of a project", Config),
    "taxonomy": ("taxonomy.yaml: the categories", Taxonomy),
}


def result_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of what `encode_result` gives: all fields are there, undefined numbers are null."""
    schema = msgspec.json.schema(kind, schema_hook=lambda other: {"type": "string"})
    for name, definition in schema["$defs"].items():
        if name not in _SPARSE:
            for described, field in definition.get("properties", {}).items():
                if "default" in field:
                    del field["default"]
                    definition["required"].append(described)
            definition["required"] = [
                field for field in definition.get("properties", {}) if field in definition["required"]
            ]
    encoded: dict[str, Any] = _allow_null(schema)  # Any: JSON
    return encoded


def _allow_null(schema: Any) -> Any:  # Any: JSON
    if isinstance(schema, list):
        return [_allow_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _allow_null(part) for name, part in schema.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if "nullable" in schema else plain


def json_schemas() -> dict[str, dict[str, Any]]:  # Any: JSON
    """Name -> JSON Schema."""
    schemas = {name: {"title": title, **result_schema(kind)} for name, (title, kind) in _RESULTS.items()}
    schemas |= {name: {"title": title, **msgspec.json.schema(kind)} for name, (title, kind) in _PLAIN.items()}
    for name, kind in (("review_applied", ApplyResult), ("review_imported", ImportResult)):  # all fields are there
        definition = schemas[name]["$defs"][kind.__name__]
        definition["required"] = [*definition["properties"]]
    schemas["dataset"] = {"title": "dataset.yaml: a canonical dataset", **msgspec.json.schema(Manifest)}
    return {
        name: {"$schema": "https://json-schema.org/draft/2020-12/schema", **_clean_descriptions(schema)}
        for name, schema in schemas.items()
    }


def _clean_descriptions(schema: Any) -> Any:  # Any: JSON
    """The schema with docstrings without their indentation, which Python 3.13 takes away and earlier versions keep."""
    if isinstance(schema, list):
        return [_clean_descriptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {name: _clean_descriptions(part) for name, part in schema.items()}
    if isinstance(cleaned.get("description"), str):
        cleaned["description"] = inspect.cleandoc(cleaned["description"])
    return cleaned


def schemas() -> dict[str, str]:
    """File name -> text of the schema."""
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in json_schemas().items()
    }


def write(folder: Path) -> None:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
