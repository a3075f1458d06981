"""The pages for people that this app brings besides the admin; a project includes them under a path of its choice.

::

    path("demo/ocpp/", include("ocpp_app.urls"))
"""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = []

if apps.is_installed("simulator.web"):
    # By its name: the simulator stands beside this app, and this app works without it.
    urlpatterns.append(path("", include("simulator.web.urls")))
