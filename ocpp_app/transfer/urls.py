"""The addresses that charge points use; a project includes them under the path that OCPP_TRANSFER_URL ends with."""

from django.urls import re_path

from ocpp_app.transfer import views

app_name = "ocpp-transfer"

TOKEN = r"(?P<token>[\w-]{20,100})"

urlpatterns = [
    re_path(rf"^upload/{TOKEN}(?:/(?P<name>.*))?\Z", views.upload, name="upload"),
    re_path(rf"^firmware/{TOKEN}(?:/(?P<name>.*))?\Z", views.firmware, name="firmware"),
]
