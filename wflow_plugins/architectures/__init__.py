"""Built-in architectures, one a file; registered in pyproject.toml like anybody's."""
