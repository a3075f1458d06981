"""OCPP-J itself, pure: frames, the sans-I/O session, the relay's envelope and the typed messages.

Nothing here sleeps, reads a clock, opens a socket or imports Django: input and times go in, events and bytes come out.
"""
