"""ADE20K: masks of classes and instances with levels of parts, and what is written of each object."""
