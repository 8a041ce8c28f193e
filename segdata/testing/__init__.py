"""Test helpers, also for plugins: pictures of rules, Hypothesis strategies, the round-trip law, injected errors."""
