"""Is this container well? ``healthcheck.py http://127.0.0.1:8000/healthz`` asks it."""

import sys
from urllib.request import urlopen


def main() -> int:
    """0 when well, 1 with a reason when not: what Docker's HEALTHCHECK expects."""
    reason = check_page(sys.argv[1])
    if reason:
        print(reason)
    return 1 if reason else 0


def check_page(url: str) -> str | None:
    """Why the page does not answer 200 within 4 s, or None."""
    try:
        with urlopen(url, timeout=4) as answer:
            return None if answer.status == 200 else f"{url} answers {answer.status}"
    except OSError as error:
        return f"{url}: {error}"


if __name__ == "__main__":
    sys.exit(main())
