"""Agreement: how much annotators agree, who deviates and on what, how sure that is, and their consensus."""
