"""The REST API under ``/api/v1/``: include ``ocpp_app.api.urls`` in the project's urls."""
