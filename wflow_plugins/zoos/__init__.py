"""Built-in zoos, one a file; registered in pyproject.toml like anybody's."""
