"""What a newer version brings."""

from django.apps import AppConfig


class NewerConfig(AppConfig):
    name = "tests.faults.newer"
    label = "newer"
