"""The Django app."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """The simulator page."""

    name = "simulator.web"
    label = "simulator_web"
    verbose_name = "Simulator"

    def ready(self) -> None:
        from simulator.web import checks  # noqa: F401 - registers the checks
