"""Statistics over seeds, tables and figures, computed from records and formulas."""
