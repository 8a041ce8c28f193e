"""GitLab code quality: a JSON artifact that merge requests show.

Source: GitLab Docs, "Code Quality", the report format (a subset of the Code Climate specification).
"""

import json
from collections import Counter
from hashlib import blake2b

from segdata.core.validation import Validation
from segdata.report.location import Site
from segdata.report.sarif import fingerprint

SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}


def to_gitlab(validation: Validation, site: Site) -> str:
    """The findings as a code quality report; each has a fingerprint of its own that renumbering does not change."""
    alike: Counter[str] = Counter()
    lines = []
    for each in validation.findings:
        mark = fingerprint(each)
        alike[mark] += 1
        own = blake2b(f"{mark} {alike[mark]}".encode(), digest_size=16).hexdigest()
        entry = {
            "description": each.message if each.image is None else f"{each.image}: {each.message}",
            "check_name": f"{each.code} {each.rule}",
            "fingerprint": own,
            "severity": SEVERITIES[each.severity],
            "location": {"path": site.file(each), "lines": {"begin": each.line or 1}},
        }
        lines.append(json.dumps(entry, ensure_ascii=False))
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"
