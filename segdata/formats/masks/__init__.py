"""What the formats of mask files share: files, folders, names and values."""
