"""Amounts of money as whole numbers of a currency's minor unit, so that they add up exactly everywhere."""

from decimal import ROUND_HALF_UP, Decimal

EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Digits behind the point of the currencies that do not have two of them (ISO 4217)."""


def exponent(currency: str) -> int:
    """How many digits the currency has behind the point."""
    return EXPONENTS.get(currency, 2)


def to_minor(amount: Decimal, currency: str) -> int:
    """The amount in the currency's minor unit (cents), half a unit rounded away from zero."""
    return int((amount * 10 ** exponent(currency)).to_integral_value(ROUND_HALF_UP))


def from_minor(minor: int, currency: str) -> Decimal:
    """An amount of minor units with the currency's digits behind the point."""
    return Decimal(minor).scaleb(-exponent(currency))
