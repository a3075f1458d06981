"""The Content-Security-Policy of every page: scripts and styles come as files from here, and from nowhere else."""

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
SELF, NONE = "'self'", "'none'"
POLICY: Mapping[str, tuple[str, ...]] = {
    "default-src": (SELF,),
    "img-src": (SELF, "data:"),  # the icons of the admin's and the API documentation's style sheets
    "object-src": (NONE,),
    "base-uri": (NONE,),
    "form-action": (SELF,),
    "frame-ancestors": (NONE,),
}


def header(**more: tuple[str, ...]) -> str:
    """The policy as a header; ``connect_src=("'self'", "ws:")`` sets one directive."""
    directives = {**POLICY, **{name.replace("_", "-"): values for name, values in more.items()}}
    return "; ".join(f"{name} {' '.join(values)}" for name, values in directives.items())


class ContentSecurityPolicyMiddleware:
    """Django middleware: sets the header where the view has not set one of its own (``header``)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._header = header()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        response.headers.setdefault(HEADER, self._header)
        return response
