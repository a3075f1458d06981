"""The addresses of the simulator page; ``ocpp_app.urls`` includes them."""

from django.urls import path

from simulator.web import views

app_name = "simulator"

urlpatterns = [
    path("", views.page, name="page"),
    path("requests.json", views.requests, name="requests"),
    path("words.js", views.words, name="words"),
]
