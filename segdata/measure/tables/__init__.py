"""The families of measured tables: every module in this package registers its measurements when it is imported."""
