"""The JSON report of `segdata flag`: that of a validation, and how reliable the findings are."""

from typing import Any, Literal

import msgspec

from segdata.noise.flag_result import FlagResult, FlagSummary
from segdata.report.findings_json import Count, FindingCounts, FindingRow, to_json


class FlagReport(msgspec.Struct, frozen=True, kw_only=True):
    """The labels that are probably wrong, the most probable errors first, and `flag`, how reliable that is."""

    version: Literal[1]
    dataset: str
    summary: FindingCounts
    flag: FlagSummary
    findings: tuple[FindingRow, ...]
    omitted: Count = 0


def flag_json(flagged: FlagResult, max_findings: int | None = None) -> str:
    """The report as JSON, a line per finding; the same input gives the same text."""
    return to_json(flagged.validation, max_findings, {"flag": msgspec.to_builtins(flagged.summary)})


def schema() -> dict[str, Any]:  # Any: JSON
    """The JSON Schema of the report."""
    return msgspec.json.schema(FlagReport)
