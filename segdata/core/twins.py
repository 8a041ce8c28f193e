"""Twins: segments with exactly the same pixels."""

import numpy as np

from segdata.core.runs import Ints, Rows, Runs


def first_twins(runs: Runs, frame: Rows | Ints, n_owners: int) -> Ints:
    """(n_owners,) the first owner in the same frame with exactly the same pixels; the owner itself where it is first.

    `frame` (n_owners,) is where each owner lies. Owners without pixels have no twins.
    """
    first = np.arange(n_owners)
    offset = runs.offsets(n_owners)
    some = np.flatnonzero(np.diff(offset))
    begin, end = offset[some], offset[some + 1]
    # What twins share at least; few others do, and those are compared run by run.
    alike = np.stack([frame[some], end - begin, runs.start[begin], runs.start[end - 1], runs.areas(n_owners)[some]])
    order = np.lexsort(alike)
    same = (alike[:, order[1:]] == alike[:, order[:-1]]).all(axis=0)
    candidate = np.zeros(len(some), bool)
    candidate[order[1:][same]] = candidate[order[:-1][same]] = True
    seen: dict[tuple[int, bytes, bytes], int] = {}
    for owner in some[candidate].tolist():
        mine = slice(offset[owner], offset[owner + 1])
        key = (int(frame[owner]), runs.start[mine].tobytes(), runs.length[mine].tobytes())
        first[owner] = seen.setdefault(key, owner)
    return first
