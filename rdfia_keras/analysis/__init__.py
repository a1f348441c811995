"""Statistics over seeds, tables and explanations, computed from records and formulas."""
