"""What is computed from records and formulas: statistics over seeds, tables, explanations. Nothing here trains."""
