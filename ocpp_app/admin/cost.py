"""The lines of a transaction's cost as a table."""

from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ocpp_app.admin.display import EMPTY, money, number


def cost_lines(lines: list[dict[str, Any]] | None, currency: str) -> SafeString | str:
    """What each line of ``Transaction.cost_lines`` charges for: quantity, price, amount."""
    if lines is None:
        return EMPTY
    rows = (
        (
            line["kind"],
            line["window"],
            number(Decimal(line["quantity"]), line["unit"]),
            number(Decimal(line["price"]), currency),
            money(Decimal(line["amount"]), currency),
        )
        for line in lines
    )
    body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
    return format_html('<table class="ocpp-list">{}</table>', body)
