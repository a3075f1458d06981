"""``manage.py create_api_token``: a token for a program, printed once."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ocpp_app.models import ApiToken, Organisation, Scope


class Command(BaseCommand):
    help = "Create a token for the API and print it. It cannot be read afterwards, only replaced."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what will use it, such as: billing")
        parser.add_argument("--scope", choices=[str(scope) for scope in Scope], default=str(Scope.READ))
        parser.add_argument(
            "--organisation", metavar="SLUG", help="the organisation it is for (default: the default one)"
        )
        parser.add_argument("--user", metavar="NAME", help="whose rights it never exceeds (default: nobody's)")
        parser.add_argument("--expires", metavar="TIME", help="ISO 8601, such as 2030-01-31T12:00Z (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        _token, secret = ApiToken.issue(
            name=options["name"],
            scope=Scope(options["scope"]),
            organisation=_organisation(options["organisation"]),
            user=_user(options["user"]),
            expires_at=_expiry(options["expires"]),
        )
        self.stdout.write(secret)


def _organisation(slug: str | None) -> Organisation:
    if slug is None:
        return Organisation.default()
    try:
        return Organisation.objects.get(slug=slug)
    except Organisation.DoesNotExist:
        known = ", ".join(Organisation.objects.values_list("slug", flat=True))
        raise CommandError(f"No organisation has the slug {slug!r}. There are: {known}.") from None


def _user(name: str | None) -> Any:
    if name is None:
        return None
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist:
        raise CommandError(f"There is no user {name!r}. Create one with: manage.py createsuperuser") from None


def _expiry(text: str | None) -> Any:
    if text is None:
        return None
    try:
        expires_at = parse_datetime(text)
    except ValueError:
        expires_at = None
    if expires_at is None:
        raise CommandError(f"--expires {text!r} is no time. Write it like 2030-01-31T12:00Z.")
    return timezone.make_aware(expires_at) if timezone.is_naive(expires_at) else expires_at
