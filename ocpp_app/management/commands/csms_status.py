"""``manage.py csms_status``: what is wrong, and what to do about it."""

import json
import sys
import textwrap
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ocpp_app.monitoring import status
from ocpp_app.monitoring.status import PROBLEM, Finding, Report

WIDTH = 100


class Command(BaseCommand):
    help = (
        "Say what is wrong with this central system and what to do about it, the worst first. "
        "The exit status is 1 when there is a problem, 0 otherwise, be there warnings or not."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        report = status.report()
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report), indent=2))
        else:
            self._show(report)
        if not report.is_fine:
            sys.exit(1)

    def _show(self, report: Report) -> None:
        self.stdout.write(f"{report.at:%Y-%m-%d %H:%M:%S} UTC: {summary(report)}\n\n")
        for finding in report.findings:
            self._show_finding(finding)
        for name, words in report.numbers.items():
            self.stdout.write(f"{name:>14}  {words}")

    def _show_finding(self, finding: Finding) -> None:
        style = self.style.ERROR if finding.level == PROBLEM else self.style.WARNING
        indent = " " * 9
        what = textwrap.fill(
            finding.what, WIDTH, initial_indent=f"{finding.level.upper():<9}", subsequent_indent=indent
        )
        self.stdout.write(style(what))
        self.stdout.write(textwrap.fill(finding.do, WIDTH, initial_indent=indent, subsequent_indent=indent) + "\n\n")


def summary(report: Report) -> str:
    """In one line: how many problems and warnings."""
    problems = sum(finding.level == PROBLEM for finding in report.findings)
    warnings = len(report.findings) - problems
    if not report.findings:
        return "all is well"
    counts = ((problems, "problem"), (warnings, "warning"))
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)


def as_json(report: Report) -> dict[str, Any]:
    """The same for programs."""
    return {
        "at": report.at.isoformat(),
        "is_fine": report.is_fine,
        "findings": [finding._asdict() for finding in report.findings],
        "numbers": report.numbers,
    }
