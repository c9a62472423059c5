"""Built-in codecs, one a file; registered in pyproject.toml like anybody's."""
