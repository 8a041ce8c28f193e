"""Statistics of agreement: intervals, tests, plans and strata, all from a statistic of weighted clusters."""
