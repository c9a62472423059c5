"""Built-in solvers, one a file; registered in pyproject.toml like anybody's."""
