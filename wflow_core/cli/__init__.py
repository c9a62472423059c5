"""The command ``wflow``."""
