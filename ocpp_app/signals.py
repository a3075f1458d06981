"""Domain events as Django signals, sent after COMMIT, best effort: a process that dies in between sends none.

Who receives them is remembered for each sender (``use_caching``): it is asked for every event.

Every signal has ``charge_point``; the others named behind it are its further arguments. ``sender`` is the model's
class.
"""

from django.dispatch import Signal

charge_point_connected = Signal(use_caching=True)  # session_id
charge_point_disconnected = Signal(use_caching=True)  # session_id
charge_point_booted = Signal(use_caching=True)  # message
registration_changed = Signal(use_caching=True)  # it is accepted, or rejected, by somebody
status_changed = Signal(use_caching=True)  # connector, message
transaction_started = Signal(use_caching=True)  # transaction
transaction_updated = Signal(use_caching=True)  # transaction
transaction_stopped = Signal(use_caching=True)  # transaction
anomaly_found = Signal(use_caching=True)  # transaction, anomaly
reservation_changed = Signal(use_caching=True)  # reservation
command_finished = Signal(use_caching=True)  # command
firmware_status_changed = Signal(use_caching=True)  # status
diagnostics_status_changed = Signal(use_caching=True)  # status
security_event_seen = Signal(use_caching=True)  # seen: what was kept out at the door
security_event_notified = Signal(use_caching=True)  # message: a SecurityEventNotification.req
task_changed = Signal(use_caching=True)  # task
certificate_requested = Signal(use_caching=True)  # certificate_request
message_failed = Signal(use_caching=True)  # failed_message
