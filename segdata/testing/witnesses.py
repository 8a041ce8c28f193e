"""Witnesses: an oracle in the place of a model, so that `segdata flag` can be tried without any training."""

import numpy as np

from segdata.core.dataset import Dataset
from segdata.noise.evidence.evidence import Evidence
from segdata.noise.evidence.given import Given
from segdata.noise.types import KINDS
from segdata.testing.oracle import oracle


class Knowing:
    """Knows the clean labels of a dataset, but blurs them and errs; see `segdata.testing.oracle.oracle`.

    A `segdata.noise.witness.Witness` for labels of the same images and taxonomy. `errors` is the share of segments
    that it gets wrong, of each of three kinds; the same `seed` errs in the same way.
    """

    kinds = KINDS
    agnostic = False

    def __init__(self, clean: Dataset, *, errors: float = 0.02, seed: int = 0) -> None:
        maps = clean.maps()
        kind = {each.id: each.kind for each in clean.taxonomy.categories}
        countable = clean.profile.task != "semantic"
        self.categories = maps.classes
        self.things = np.array([False, *(countable and kind[each] == "thing" for each in maps.classes)])
        self.usable = np.ones(len(maps), bool)
        self._given, self._errors, self._seed = Given.of(maps, self.categories), errors, seed

    def evidence(self, row: int) -> Evidence:
        """What it says of the image at a row."""
        rng = np.random.default_rng([self._seed, row])
        return oracle(self._given.drawn(row), self.things, rng, errors=self._errors)
