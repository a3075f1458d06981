"""The simulator page: charge points in a browser, on real websockets to a gateway.

A Django app without models: ``simulator.web`` in ``INSTALLED_APPS``, and its addresses under a path of your choice::

    path("demo/ocpp/", include("ocpp_app.urls"))

What the page does is in ``static/simulator``: ES modules that go by the names of the Python simulator's. Django only
hands out the page and the shapes of the messages.
"""
