"""The parts of the Kaggle run-length format: its table, and the masks in it."""
