"""The report page: figures, tables and runs, from records."""
