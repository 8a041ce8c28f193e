"""The report of a validation as one HTML file, which needs nothing else: no network, no font, no other file."""
