"""ServiceMissing: a service is not there and could not be started; its text says what to do."""


class ServiceMissing(Exception):
    """A service is not there; the text names the reason and the next step."""
