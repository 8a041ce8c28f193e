"""FiftyOne: a dataset with its findings in the database of FiftyOne, so that its App shows it."""
