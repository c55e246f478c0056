"""The reviewer's page: what went in and out, who stands behind a row, what was checked, what it is worth."""

from anonkit.report.figures import PartTable, ReportTables, StreetTables
from anonkit.report.page import render_report, write_report

__all__ = ["PartTable", "ReportTables", "StreetTables", "render_report", "write_report"]
