"""The families of measured tables: each module registers its measurements, and is found by being here."""
