"""Whether the central system has accepted the charge point, and when to ask again (OCPP 1.6 §4.2)."""

from dataclasses import dataclass

from ocppj.v16 import BootNotificationResponse, RegistrationStatus

OWN_INTERVAL_S = 15.0
"""Where the central system names no interval, or fails to answer: often enough for a person who waits, too rare to be
a flood.
"""


@dataclass(slots=True)
class Registration:
    """The outcome of the last BootNotification; survives a lost connection (OCPP-J 1.6 §5.4), not a reset."""

    status: RegistrationStatus | None = None
    boot_due: float | None = 0.0
    """When BootNotification is sent, if there is a connection; None while none is due or one is under way."""

    @property
    def is_accepted(self) -> bool:
        """Whether all messages may be sent."""
        return self.status == RegistrationStatus.Accepted

    @property
    def is_rejected(self) -> bool:
        """Whether nothing may be sent, not even an answer."""
        return self.status == RegistrationStatus.Rejected

    def restart(self, now: float) -> None:
        """Boot: the central system has to be asked again."""
        self.status, self.boot_due = None, now

    def answered(self, response: BootNotificationResponse, now: float) -> None:
        """Take the central system's word; the interval of an Accepted is the heartbeat's, else the wait before the
        next request.
        """
        self.status = RegistrationStatus(response.status)
        self.boot_due = None if self.is_accepted else now + (response.interval or OWN_INTERVAL_S)

    def failed(self, now: float) -> None:
        """No BootNotification.conf came."""
        self.status, self.boot_due = None, now + OWN_INTERVAL_S
