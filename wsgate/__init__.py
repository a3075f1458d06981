"""The websocket gateway: stateless, asyncio, between charge points and the queue of the workers. Never Django.

Run it with ``python -m wsgate``, or embed it: ``Gateway(config, carrier)`` from ``wsgate.server`` with a carrier of
``wsgate.amqp`` or ``wsgate.memory``.
"""
