"""What a notebook shows of a report: the conclusion, the findings in a table, and the whole page folded below."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._comparison import Report

CONCLUSIONS = {
    "supports-derivation": "Supports derivation",
    "supports-independence": "Supports independence",
    "inconclusive": "Inconclusive",
}
LEFT = "style='text-align:left'"


def card(report: Report) -> str:
    """The page stands in a sandbox: it runs its own script and reaches nothing of the notebook."""
    rows = "".join(
        f"<tr><td {LEFT}><code>{escape(f.method)}</code></td><td>{number(f.statistic)}</td><td>{number(f.log10_p)}</td>"
        f"<td {LEFT}>{escape(', '.join(number(c.statistic) for c in f.controls))}</td></tr>"
        for f in report.findings
        if f.outcome == "observed"
    )
    absent = sum(f.outcome != "observed" for f in report.findings)
    note = f"<p>{absent} methods did not apply; the report says why.</p>" if absent else ""
    return (
        f"<div><p><strong>{CONCLUSIONS.get(report.conclusion, report.conclusion)}</strong> <code>{escape(report.conclusion)}</code></p>"
        f"<p>{escape(report.statement)}</p>"
        f"<p>reference <code>{escape(report.case.reference.path)}</code><br>suspect <code>{escape(report.case.suspect.path)}</code></p>"
        f"<table><thead><tr><th {LEFT}>method</th><th>statistic</th><th>log10 p</th><th {LEFT}>controls</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{note}"
        f"<details><summary>The whole report</summary><iframe sandbox='allow-scripts' loading='lazy' title='report' width='100%' height='800' "
        f"style='border:1px solid #8888' srcdoc=\"{escape(report.html())}\"></iframe></details></div>"
    )


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    return "–" if value is None else f"{value:.4g}"
