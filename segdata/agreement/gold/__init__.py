"""The gold standard: everybody held against a reference, deliveries and reviews."""
