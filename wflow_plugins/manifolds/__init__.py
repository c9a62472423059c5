"""Built-in manifolds, one a file; registered in pyproject.toml like anybody's."""
