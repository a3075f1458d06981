"""Domain events for other systems: from the outbox to RabbitMQ and to webhooks, at least once and in order.

``catalogue`` says which there are and what they look like, ``outbox`` writes them with what caused them,
``subscriptions`` knows who wants them, ``delivery`` and ``exchange`` carry them away.
"""
