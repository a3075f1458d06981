#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    from backend.environment import WrongSetting, explain_database

    try:
        execute_from_command_line(sys.argv)
    except WrongSetting as error:
        sys.exit(f"manage.py: {error}")
    except DatabaseError as error:
        if explained := explain_database(error):
            sys.exit(f"manage.py: {explained}")
        raise


if __name__ == "__main__":
    main()
