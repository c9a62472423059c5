"""Built-in baselines, one a file; registered in pyproject.toml like anybody's."""
