"""Built-in stages, one a file; registered in pyproject.toml like anybody's."""
