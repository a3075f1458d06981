"""The addresses of the console; a project includes them under the path of its choice."""

from django.urls import path

from ocpp_app.console import (
    approval,
    charge_point,
    charge_points,
    command,
    commands,
    connections,
    login,
    message_log,
    overview,
    quick,
    reserve,
    transactions,
)

app_name = "console"

ONE = "charge-points/<int:pk>"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("overview/energy/", overview.energy, name="energy"),
    path("overview/power/", overview.power, name="power"),
    path("login/", login.Login.as_view(), name="login"),
    path("logout/", login.Logout.as_view(), name="logout"),
    path("state/", login.state, name="state"),
    path("charge-points/", charge_points.charge_points, name="charge-points"),
    path("charge-points/add/", charge_points.add, name="charge-point-add"),
    path("approval/", approval.approval, name="approval"),
    path(f"{ONE}/", charge_point.charge_point, name="charge-point"),
    path(f"{ONE}/curve/", charge_point.curve, name="curve"),
    path(f"{ONE}/ask/<str:name>/", quick.ask, name="quick"),
    path(f"{ONE}/reserve/", reserve.reserve, name="reserve"),
    path(f"{ONE}/reservations/<int:reservation>/cancel/", charge_point.cancel, name="reservation-cancel"),
    path(f"{ONE}/commands/", commands.commands, name="commands"),
    path(f"{ONE}/commands/<str:action>/", commands.send, name="send"),
    path(f"{ONE}/messages/", message_log.messages, name="messages"),
    path(f"{ONE}/messages.jsonl", message_log.download, name="messages-download"),
    path(f"{ONE}/connections/", connections.connections, name="connections"),
    path(f"{ONE}/access/", charge_point.access, name="charge-point-access"),
    path(f"{ONE}/approve/", charge_point.approve, name="approve"),
    path(f"{ONE}/reject/", charge_point.reject, name="reject"),
    path(f"{ONE}/password/", charge_point.password, name="password"),
    path(f"{ONE}/password/rotate/", charge_point.rotate, name="rotate"),
    path("commands/<uuid:pk>/", command.command, name="command"),
    path("commands/<uuid:pk>/cancel/", command.cancel, name="command-cancel"),
    path("transactions/", transactions.transactions, name="transactions"),
    path("transactions.csv", transactions.download, name="transactions-download"),
    path("transactions/<int:pk>/", transactions.transaction, name="transaction"),
    path("transactions/<int:pk>/close/", transactions.close, name="transaction-close"),
    path("anomalies/<int:pk>/", transactions.resolve, name="anomaly"),
]
