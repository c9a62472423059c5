"""Commands of the ``wflow`` program, one a file; registered in pyproject.toml like anybody's.

No module of a command imports torch before the command runs.
"""
