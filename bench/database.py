"""``python -m bench.database prepare|last|count``: the database of a system under test, by its own models.

A process of its own, because its settings come from the environment of that system.
"""

import argparse
import os

import django
import msgspec

from bench import mix

ROWS_AT_ONCE = 1000


class Rows(msgspec.Struct):
    """What a run should have left behind."""

    answered: dict[str, int]
    """Frames of charge points that were answered with a CALLRESULT, by action."""
    transactions: int
    meter_values: int
    anomalies: int
    open_transactions: int


class Last(msgspec.Struct):
    """The greatest keys that there are: what comes behind them is new."""

    message: int = 0
    transaction: int = 0
    meter_value: int = 0
    anomaly: int = 0


def prepare(charge_points: int) -> None:
    """Migrate, and register charge points."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    register(charge_points)


def register(charge_points: int) -> None:
    """Charge points (accepted, each with its authorization key) with an idTag each (accepted, one transaction at a
    time)."""
    from ocpp_app.credentials import hash_key
    from ocpp_app.models import ChargePoint, IdTag, Organisation, key_of

    owner = Organisation.default()
    numbers = range(1, charge_points + 1)
    rows = [
        ChargePoint(
            organisation=owner, identity=mix.identity_of(number), authorization_key=hash_key(mix.key_of(number))
        )
        for number in numbers
    ]
    ChargePoint.objects.bulk_create(rows, ROWS_AT_ONCE)
    names = [mix.id_tag_of(number) for number in numbers]
    tags = [IdTag(organisation=owner, id_tag=name, key=key_of(name)) for name in names]
    IdTag.objects.bulk_create(tags, ROWS_AT_ONCE)


def give_keys(charge_points: int) -> None:
    """Give registered charge points their authorization keys again: hashes are of one SECRET_KEY, and each system under
    test has its own."""
    from ocpp_app.credentials import hash_key
    from ocpp_app.models import ChargePoint

    numbers = {mix.identity_of(number): number for number in range(1, charge_points + 1)}
    rows = list(ChargePoint.objects.filter(identity__in=numbers))
    for row in rows:
        row.authorization_key = hash_key(mix.key_of(numbers[row.identity]))
    ChargePoint.objects.bulk_update(rows, ["authorization_key"], ROWS_AT_ONCE)


def last() -> Last:
    """Look for the greatest keys."""
    from ocpp_app.models import Anomaly, Message, MeterValue, Transaction

    keys = (
        model.objects.order_by("-pk").values_list("pk", flat=True).first()
        for model in (Message, Transaction, MeterValue, Anomaly)
    )
    return Last(*(key or 0 for key in keys))


def count(behind: Last) -> Rows:
    """Count what has come behind these."""
    from django.db.models import Count

    from ocpp_app.models import Anomaly, Direction, Message, MeterValue, Transaction

    messages = Message.objects.filter(pk__gt=behind.message).order_by()
    answered = messages.filter(direction=Direction.INBOUND, answer_type=3)
    transactions = Transaction.objects.filter(pk__gt=behind.transaction)
    return Rows(
        answered=dict(answered.values_list("action").annotate(Count("id"))),
        transactions=transactions.count(),
        meter_values=MeterValue.objects.filter(pk__gt=behind.meter_value).count(),
        anomalies=Anomaly.objects.filter(pk__gt=behind.anomaly).count(),
        open_transactions=transactions.filter(is_active=True).count(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("task", choices=("prepare", "last", "count"))
    parser.add_argument("--charge-points", type=int, default=50, metavar="N")
    parser.add_argument("--behind", default="{}", metavar="JSON", help="count: only what is behind what last has said")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    if options.task == "prepare":
        prepare(options.charge_points)
    else:
        found = last() if options.task == "last" else count(msgspec.json.decode(options.behind, type=Last))
        print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
