"""Statistics that rules share: outliers, chance, diversity, and comparisons by permutation."""
