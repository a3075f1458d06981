#!/usr/bin/env bash
# A command of manage.py as the units run it: as their account, with their settings and their files. As root:
#   deploy/systemd/manage.sh createsuperuser
set -euo pipefail
exec systemd-run --quiet --wait --collect --pty \
    --property=DynamicUser=yes --property=User=ocpp-csms \
    --property=StateDirectory=ocpp-csms --property=StateDirectoryMode=0700 \
    --property=EnvironmentFile=-/etc/ocpp-csms/csms.env \
    --property=WorkingDirectory=/opt/ocpp-csms --setenv=DATA_DIR=/var/lib/ocpp-csms \
    /opt/ocpp-csms/.venv/bin/python manage.py "$@"
