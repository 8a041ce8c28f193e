"""Permitted: which pairs of segments may share pixels whatever the dataset's policy says."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd


def permitted(pairs: "pd.DataFrame", segments: "pd.DataFrame", taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """(n_pairs,) whether one of the pair is a crowd, or their categories are `part_of` or `may_overlap` each other.

    `pairs` has the columns a and b, rows of `segments`. Which of the two names the other does not matter.
    """
    crowd = segments["iscrowd"].to_numpy(dtype=bool)
    category = segments["category_id"].to_numpy()
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    allowed: NDArray[np.bool_] = crowd[a] | crowd[b]
    by_name = taxonomy.by_name()
    for first in taxonomy.categories:
        for second in (by_name[name] for name in (*first.part_of, *first.may_overlap) if name in by_name):
            there = (category[a] == first.id) & (category[b] == second.id)
            back = (category[a] == second.id) & (category[b] == first.id)
            allowed |= there | back
    return allowed
