"""What is served where."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _

admin.site.site_header = _("Charging")
admin.site.site_title = _("Charging")
admin.site.index_title = _("Central system")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("ocpp_app.api.urls")),
    path("transfer/", include("ocpp_app.transfer.urls")),
    path("demo/ocpp/", include("ocpp_app.urls")),
    path("", include("ocpp_app.console.urls")),
]

handler400 = "ocpp_app.console.errors.bad_request"
handler403 = "ocpp_app.console.errors.refused"
handler404 = "ocpp_app.console.errors.missing"
handler500 = "ocpp_app.console.errors.failed"
