"""The settings of a newer version: one app more, whose migration adds a column to a table that the older one uses."""

from backend.settings import *  # noqa: F403
from backend.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.newer"]
