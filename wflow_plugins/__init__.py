"""The built-in plugins of wflow; the core never imports them."""
