"""Built-in metrics, one a file; registered in pyproject.toml like anybody's."""
