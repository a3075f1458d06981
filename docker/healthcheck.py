"""Is this container well? `healthcheck.py http://…` asks a page, `broker` and `database` look at a link.

A worker listens nowhere. It is well while it holds its connection to the broker, which it keeps through an outage of
the database as well; so the check needs no broker account, and sees this very container.
"""

import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

ESTABLISHED = "01"  # the state column of /proc/net/tcp


def main() -> int:
    """0 when well, 1 with a reason when not: what Docker's HEALTHCHECK expects."""
    target = sys.argv[1]
    links = {"broker": check_broker, "database": check_database}
    reason = links[target]() if target in links else check_page(target)
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


def check_broker() -> str | None:
    """Why there is no connection to a port that AMQP_URL names, or None."""
    parts = [urlsplit(url) for url in re.split(r"[,\s]+(?=amqps?://)", os.environ["AMQP_URL"].strip())]
    ports = {each.port or (5671 if each.scheme == "amqps" else 5672) for each in parts}
    named = ", ".join(map(str, sorted(ports)))
    return None if ports & established_ports() else f"no connection to port {named} of the broker"


def check_database() -> str | None:
    """Why there is no connection to the port of DATABASE_URL, or None: what delivers events needs no broker."""
    port = urlsplit(os.environ["DATABASE_URL"]).port or 5432
    return None if port in established_ports() else f"no connection to port {port} of the database"


def established_ports() -> set[int]:
    """The remote ports of this container's open TCP connections."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[3] == ESTABLISHED}


if __name__ == "__main__":
    sys.exit(main())
