"""For tests, also of plugins: pictures of rules, Hypothesis strategies, the round-trip law, injected label errors."""
