"""A person's browser, as far as the tests need one: cookies, forms with Django's token, no redirect left unfollowed."""

import re
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from urllib.parse import urlencode

TIMEOUT_S = 20.0


class Browser:
    """Stays at one address; answers are (status, text)."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> tuple[int, str]:
        return self._open(urllib.request.Request(self.address + path))

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Send the form at this path, with the token that the page got."""
        token = next(cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken")
        data = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        return self._open(urllib.request.Request(self.address + path, data))

    def log_in(self, username: str, password: str) -> tuple[int, str]:
        """What the login leads to: the admin's first page, or the form again."""
        status, _ = self.get("/admin/login/?next=/admin/")
        assert status == 200
        return self.post("/admin/login/?next=/admin/", username=username, password=password)

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return response.status, response.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")


def links(page: str, pattern: str) -> list[str]:
    """The addresses on a page that match, each once, in their order."""
    found = re.findall(r"""(?:href|src)="([^"]+)""", page)
    return list(dict.fromkeys(link for link in found if re.fullmatch(pattern, link)))
