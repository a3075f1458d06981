"""What a browser is told when no view answers: a project's ``handler404`` and the like, and its CSRF_FAILURE_VIEW."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler400``: an address or a form that cannot be read."""
    return _tell(request, 400, _("Not understood"), _("The server cannot read what your browser sent."))


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler403``: whoever has signed in and still may not see it; the reason where there is one."""
    return _tell(request, 403, _("Not allowed"), str(exception) or _("You may not do this."))


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler404``: no such address."""
    return _tell(request, 404, _("Not found"), _("There is nothing at this address."))


def failed(request: HttpRequest) -> HttpResponse:
    """``handler500``: an error of ours. Asks no database, since that may be what has failed."""
    text = _("Something went wrong here. It stands in the server's log; what you sent may not have been done.")
    return _tell(request, 500, _("An error"), text)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form without its token, most often one that was open while somebody signed in or out."""
    text = _(
        "This form is out of date, and nothing was changed. Go back, load the page again, and send it once more. "
        "Your browser has to accept cookies of this site."
    )
    return _tell(request, 403, _("Send it again"), text)


def _tell(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    return render(request, "ocpp_console/error.html", {"title": title, "text": text}, status=status)
