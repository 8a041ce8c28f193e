"""How much annotators agree, on what they do not, whose doing that is, and how sure one can be."""
