"""Who asks: a browser session, or an API token in the Authorization header (RFC 6750)."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ocpp_app.access import Access, access_of_token, access_of_user
from ocpp_app.models import ApiToken
from ocpp_app.models.api_token import digest_of
from ocpp_app.trespass import note_wrong_token

KEYWORD = "Bearer"
USED_AT_LEAST_EVERY = timedelta(minutes=1)
"""``last_used_at`` is written when it is older: a write for every request would tell nobody more."""


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer ocpp_…``."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != KEYWORD.lower().encode():
            return None
        try:
            if len(words) != 2:
                raise AuthenticationFailed("Write the header as: Authorization: Bearer <token>.")
            token = _find(words[1].decode("latin-1"))
        except AuthenticationFailed:
            note_wrong_token(request._request)
            raise
        return token.user or AnonymousUser(), token

    def authenticate_header(self, request: Request) -> str:
        return f'{KEYWORD} realm="ocpp"'


def _find(secret: str) -> ApiToken:
    now = timezone.now()
    token = ApiToken.objects.select_related("user").filter(digest=digest_of(secret)).first()
    if token is None:
        raise AuthenticationFailed("There is no such token. Create one in the admin, or: manage.py create_api_token.")
    if token.is_expired(now):
        raise AuthenticationFailed(f"The token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC. Create a new one.")
    if token.user is not None and not token.user.is_active:
        raise AuthenticationFailed("The user of this token is not active any more.")
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_AT_LEAST_EVERY)
    if token.last_used_at is None or now - token.last_used_at > USED_AT_LEAST_EVERY:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return token


AUTHENTICATION = [TokenAuthentication, SessionAuthentication]
"""Tokens first: their 401 names the scheme to use."""


def access_of(request: Request) -> Access:
    """What whoever asks may do; nothing for somebody who is not signed in. Kept for the length of the request."""
    found: Access | None = getattr(request, "_ocpp_access", None)
    if found is None:
        if isinstance(request.auth, ApiToken):
            found = access_of_token(request.auth)
        else:
            found = access_of_user(request.user) if request.user.is_authenticated else Access()
        request._ocpp_access = found  # type: ignore[attr-defined]
    return found


def is_authenticated(request: Request) -> bool:
    """Whether somebody is signed in, or a token was shown."""
    return isinstance(request.auth, ApiToken) or request.user.is_authenticated


def user_of(request: Request) -> Any:
    """The user in whose name something is done; None for a token without one."""
    return request.user if request.user.is_authenticated else None
