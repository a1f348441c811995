"""The pages: the playground and the report, each one HTML file; a folder has a page's builder, template, style, script."""
