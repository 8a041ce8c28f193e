"""Files of annotation tools: what was drawn on an image, one shape an entry, and how it becomes segments."""
