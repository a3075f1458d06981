"""The operator's console: a Django app of its own, ``ocpp_app.console``, with pages for a browser.

Install it beside ``ocpp_app`` and include ``ocpp_app.console.urls`` where it is to be.
"""
