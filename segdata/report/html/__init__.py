"""Reports as one HTML file each, which needs nothing else: no network, no font, no other file."""
