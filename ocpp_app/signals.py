"""Domain events as Django signals, sent after COMMIT, best effort: a process that dies in between sends none.

Every signal has ``charge_point``; the others named behind it are its further arguments. ``sender`` is the model's
class.
"""

from django.dispatch import Signal

charge_point_connected = Signal()  # session_id
charge_point_disconnected = Signal()  # session_id
charge_point_booted = Signal()  # message
registration_changed = Signal()  # it is accepted, or rejected, by somebody
status_changed = Signal()  # connector, message
transaction_started = Signal()  # transaction
transaction_updated = Signal()  # transaction
transaction_stopped = Signal()  # transaction
anomaly_found = Signal()  # transaction, anomaly
reservation_changed = Signal()  # reservation
command_finished = Signal()  # command
firmware_status_changed = Signal()  # status
diagnostics_status_changed = Signal()  # status
security_event_seen = Signal()  # seen: what was kept out at the door
security_event_notified = Signal()  # message: a SecurityEventNotification.req
task_changed = Signal()  # task
certificate_requested = Signal()  # certificate_request
message_failed = Signal()  # failed_message
