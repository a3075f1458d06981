"""The Django app that puts all parts into one process: gateway, worker, web and webhooks (``manage.py runcsms``).

It is a package of its own because it may import what ``ocpp_app`` and ``wsgate`` must not import of each other.
"""
