"""The JSON report of a consensus; `schemas/consensus.schema.json` is made from these types."""

from typing import Annotated, Any, Literal

import msgspec

from segdata.agreement.leave_one_out import SCORES, AgainstOthers
from segdata.agreement.meanings import OF_PAIRS
from segdata.report.agreement_json import Count, Score, score, structured
from segdata.report.certificate import Loss as Lost
from segdata.report.consensus import Made

VERSION: Literal[1] = 1
