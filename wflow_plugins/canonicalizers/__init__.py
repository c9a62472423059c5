"""Built-in canonicalizers, one a file; registered in pyproject.toml like anybody's."""
