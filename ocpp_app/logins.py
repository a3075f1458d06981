"""Passwords of people, guessed: slowed down by account and by address, without locking out whose account it is.

``ThrottledLogins`` stands first in AUTHENTICATION_BACKENDS, so that no login page can be forgotten. A browser that has
signed in to an account carries a cookie that says so: it is counted for itself, and what strangers do to the account or
from the same address does not concern it.
"""

import math
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template
from django.utils import timezone
from django.utils.translation import ngettext

from ocpp_app import conf, security_events
from ocpp_app.bulk import fit_text
from ocpp_app.client_address import client_address, key_of
from ocpp_app.limits import LIMITS
from ocpp_app.models import SecurityEventKind, SignIn
from ocpp_app.security_events import Seen

WINDOWS = ((timedelta(minutes=1), 1), (timedelta(hours=1), 6))
"""So many times OCPP_FAILED_LOGINS_PER_MINUTE in so long."""
SHARED = 4
"""An address may be a whole office, an account may be tried from everywhere: so many times as much as one at one."""
COOKIE = "ocpp_known_browser"
KNOWN_FOR = timedelta(days=180)
KEPT_FOR = timedelta(days=30)


class ThrottledLogins:
    """The first of AUTHENTICATION_BACKENDS: lets nobody in, and keeps out who has guessed too often."""

    def authenticate(self, request: HttpRequest | None, username: Any = None, **credentials: Any) -> None:
        """Raises ``PermissionDenied``, so that no other backend looks at the password."""
        name = username or credentials.get(get_user_model().USERNAME_FIELD)
        if request is None or name is None or not conf.failed_logins_per_minute():
            return
        account, address = account_of(name), key_of(client_address(request))
        device = known_device(request, account)
        wait_s = seconds_to_wait(account, address, device)
        if wait_s:
            request.ocpp_login_wait_s = wait_s  # type: ignore[attr-defined]
            seen = Seen(SecurityEventKind.LOGIN_THROTTLED, address, identity=account, detail=account)
            security_events.write([seen], timezone.now())
            # No name here: people type their passwords there, too.
            LIMITS.hit(
                "failed_logins",
                f"{address} {account}",
                "Too many failed sign-ins (OCPP_FAILED_LOGINS_PER_MINUTE): the next has to wait; "
                "the security events say for which account.",
                remote_address=address,
            )
            raise PermissionDenied
        # Before the password is looked at: those who try a hundred at the same moment are counted, too.
        row = SignIn.objects.create(account=account, remote_address=fit_text(address, 100), device=device)
        request.ocpp_sign_in = row  # type: ignore[attr-defined]


class LoginMiddleware:
    """Django middleware: tells who has to wait how long, and lets a browser that has signed in know itself again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        wait_s = getattr(request, "ocpp_login_wait_s", None)
        if wait_s is not None:
            return _too_many(request, wait_s)
        device = getattr(request, "ocpp_new_device", None)
        if device is not None:
            response.set_cookie(
                COOKIE,
                signing.dumps(device, salt=COOKIE, compress=False),
                max_age=KNOWN_FOR,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def account_of(name: Any) -> str:
    """The name under which an account's attempts are counted."""
    return fit_text(str(name).strip().lower(), 255)


def known_device(request: HttpRequest, account: str) -> str:
    """The browser's key, where it has signed in to this account before."""
    try:
        known = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=KNOWN_FOR)
    except signing.BadSignature:
        return ""
    return str(known[0]) if isinstance(known, list) and known[1:] == [account] else ""


def seconds_to_wait(account: str, address: str, device: str) -> int:
    """How long until the next attempt; 0: now."""
    limit = conf.failed_logins_per_minute()
    now = timezone.now()
    for rows, share in _counted(account, address, device):
        for window, times in WINDOWS:
            allowed = max(1, round(limit * times * share))
            recent = rows.filter(has_succeeded=False, at__gt=now - window).order_by("-at")
            oldest = recent.values_list("at", flat=True)[allowed - 1 : allowed].first()
            if oldest is not None:
                return max(1, math.ceil((oldest + window - now).total_seconds()))
    return 0


def _counted(account: str, address: str, device: str) -> Iterator[tuple[QuerySet[SignIn], int]]:
    """The attempts that count against this one, each with its share of the limit."""
    of_account = SignIn.objects.filter(account=account)
    if device:
        yield of_account.filter(device=device), 1
        return
    strangers = SignIn.objects.filter(device="")
    yield strangers.filter(account=account, remote_address=address), 1
    yield strangers.filter(remote_address=address), SHARED
    yield strangers.filter(account=account), SHARED


def forget_old() -> None:
    """Delete attempts that nobody counts any more; housekeeping calls it."""
    SignIn.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()


def note_success(sender: Any, request: HttpRequest | None, user: Any, **_kwargs: Any) -> None:
    """Somebody has signed in: that attempt counts against nobody."""
    row = getattr(request, "ocpp_sign_in", None)
    if row is None:
        return
    SignIn.objects.filter(pk=row.pk).update(has_succeeded=True)
    request.ocpp_new_device = [row.device or secrets.token_hex(16), row.account]  # type: ignore[union-attr]


def _too_many(request: HttpRequest, wait_s: int) -> HttpResponse:
    """A page that says how long; the console's own where there is one."""
    minutes = math.ceil(wait_s / 60)
    text = ngettext(
        "Too many failed sign-ins. Wait %d minute, then try again.",
        "Too many failed sign-ins. Wait %d minutes, then try again.",
        minutes,
    )
    template = select_template(["ocpp_console/too_many.html", "ocpp_app/too_many.html"])
    headers = {"Retry-After": str(wait_s), "Cache-Control": "no-store"}
    return HttpResponse(template.render({"text": text % minutes}, request), status=429, headers=headers)


user_logged_in.connect(note_success, dispatch_uid="ocpp_note_success")
