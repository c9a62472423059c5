"""Everything that one may extend, one interface a file."""
