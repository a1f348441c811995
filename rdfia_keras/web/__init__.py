"""The pages: the playground and the report, each one HTML file, built from what lies in its folder."""
