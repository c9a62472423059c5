"""Sphinx configuration: `sphinx-build -W -b html docs docs/_build`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "wflow"
author = "the wflow authors"
version = release = version_of("weightspace-flow")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "wflow_pages"]
exclude_patterns = ["_build", "_ext"]

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
# As fields of their class, so that a documented field is not described twice.
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"wflow {version}"
