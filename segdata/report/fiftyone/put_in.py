"""Put in: the findings that were given to FiftyOne with an image, kept whole beside their labels.

A label tells a person what matters; a decision about it speaks of the finding itself, to the last column.
"""

from collections.abc import Mapping

import msgspec

from segdata.core.finding import Finding

_DECODER = msgspec.json.Decoder(dict[str, Finding])


def written(findings: Mapping[str, Finding]) -> str:
    """Findings by the ids of their labels, as text."""
    return msgspec.json.encode(findings).decode()


def read(text: str | None) -> dict[str, Finding]:
    """What `written` wrote; none of none."""
    return _DECODER.decode(text) if text else {}
