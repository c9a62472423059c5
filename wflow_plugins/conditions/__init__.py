"""Built-in conditions, one a file; registered in pyproject.toml like anybody's."""
