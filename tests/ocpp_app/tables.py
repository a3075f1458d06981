"""What stands in the database."""

from django.apps import apps


def kept_in(text: str) -> set[str]:
    """The models in a row of which this text stands, in any column."""
    return {
        model.__name__
        for model in apps.get_app_config("ocpp_app").get_models()
        for found in model._default_manager.values()
        if text in str(found)
    }
