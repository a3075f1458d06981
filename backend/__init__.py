"""The Django project around ``ocpp_app``: the composition root."""
