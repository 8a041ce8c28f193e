"""The summary: how much annotators agree, with intervals."""
