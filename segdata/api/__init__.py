"""The commands as functions, one module each. `segdata` exports them, and `segdata.Dataset` has them as methods."""
