"""The pages: the playground and the report, each one HTML file, built from the files in its folder."""
