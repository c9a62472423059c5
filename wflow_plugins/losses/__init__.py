"""Built-in training losses, one a file; registered in pyproject.toml like anybody's."""
