"""What is made of records: tables, figures, explanations. Nothing here trains."""
