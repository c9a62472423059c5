"""Built-in tasks, one a file; registered in pyproject.toml like anybody's."""
