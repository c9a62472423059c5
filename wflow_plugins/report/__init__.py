"""The report of a run: one HTML file that needs nothing else. What is read, said and drawn stands
in a module each; `write` puts it together."""

REPORT = "report.html"
