"""The report of a run: one HTML file that opens from a mail or a ticket, made from a folder of results."""

from detector.report.page import write_report

__all__ = ["write_report"]
