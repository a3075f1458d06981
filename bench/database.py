"""``python -m bench.database prepare|count``: the database of a system under test, by its own models.

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


def prepare(charge_points: int) -> None:
    """Migrate, and register charge points (accepted, each with its authorization key) with an idTag each (accepted, one
    transaction at a time)."""
    from django.core.management import call_command

    from ocpp_app.credentials import hash_key
    from ocpp_app.models import ChargePoint, IdTag, Organisation, key_of

    call_command("migrate", verbosity=0, interactive=False)
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


def count() -> Rows:
    """Count."""
    from django.db.models import Count

    from ocpp_app.models import Anomaly, Direction, Message, MeterValue, Transaction

    answered = Message.objects.filter(direction=Direction.INBOUND, answer_type=3).order_by()
    return Rows(
        answered=dict(answered.values_list("action").annotate(Count("id"))),
        transactions=Transaction.objects.count(),
        meter_values=MeterValue.objects.count(),
        anomalies=Anomaly.objects.count(),
        open_transactions=Transaction.objects.filter(is_active=True).count(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("task", choices=("prepare", "count"))
    parser.add_argument("--charge-points", type=int, default=50, metavar="N")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    if options.task == "prepare":
        prepare(options.charge_points)
    else:
        print(msgspec.json.encode(count()).decode())


if __name__ == "__main__":
    main()
