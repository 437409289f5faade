"""Reports: one page that works offline, every figure beside it as a picture, every number as a table."""

from raclette.lab.report.document import Document
from raclette.lab.report.run import Run, write_run_report

__all__ = ["Document", "Run", "write_run_report"]
