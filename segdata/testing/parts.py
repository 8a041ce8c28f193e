"""Parts: what rules find in a dataset that is judged part by part, for tests of rules that say they can."""

from collections.abc import Sequence

import numpy as np

from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.format import Source
from segdata.core.rule import Rule, Tables
from segdata.core.rule_runner import Answers, FoundInPart
from segdata.measure.measure import measure_batch
from segdata.measure.partitions import MeasuringJob, find_by_part, find_in_partition


def find_in_parts(
    tables: Tables, source: Source, chosen: Sequence[Rule], config: Config, images: int = 1
) -> dict[str, list[Finding]]:
    """Code -> what rules find in parts of so many images of a source, whose measured tables are given.

    As yet without severities, overrides and suppressions.
    """
    families = frozenset().union(*(rule.needs for rule in chosen))
    codes = tuple(rule.code for rule in chosen)
    job = MeasuringJob(None, tables.profile, config, families, codes, tuple(source.defects))
    portions = [np.arange(first, first + images) for first in range(0, len(source.image_ids), images)]
    portions = [rows[rows < len(source.image_ids)] for rows in portions]
    empty, *pieces = (
        measure_batch(batch, tables.profile, families)
        for batch in (Batch.empty(), *(source.load(rows) for rows in portions))
    )
    n_rows = {name: np.array([piece.tables[name].num_rows for piece in pieces], np.int64) for name in empty.tables}

    def run(answers: Answers, waiting: Sequence[str]) -> list[FoundInPart]:
        return [find_in_partition(piece, answers=answers, job=job, codes=waiting) for piece in pieces]

    return find_by_part(job, empty, tables, run({}, codes), n_rows, run)
