"""The report as one HTML page: what is gathered from records, the charts of it, and how they become one file."""
