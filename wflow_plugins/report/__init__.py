"""The report of a run: one HTML file that needs nothing else.

``read`` reads the run folder into ``data``; ``verdict``, ``tables`` and ``composition`` make the
text of the page, ``figures`` its figures, and ``page`` and ``write`` the file.
"""

REPORT = "report.html"
