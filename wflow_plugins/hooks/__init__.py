"""Built-in hooks, one a file; registered in pyproject.toml like anybody's."""
