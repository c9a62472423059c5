"""What is measured of networks, beside honest nulls."""
