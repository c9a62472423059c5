"""Built-in guidances, one a file; registered in pyproject.toml like anybody's."""
