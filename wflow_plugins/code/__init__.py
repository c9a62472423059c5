"""Options that name code, which a spec may import only where the user allows it."""
