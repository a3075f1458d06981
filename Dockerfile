# Two images. The last is the default and holds all parts; the command chooses: web (the default), worker, events.
# `docker build --target gateway .` makes the gateway alone, for the edge: no Django, nothing that knows a database.
# See docker-compose.yml.

FROM python:3.13.11-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 csms \
    && useradd --uid 10001 --gid csms --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin csms

FROM base AS gateway-packages
RUN python -m venv /opt/venv
COPY requirements/gateway.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --prefer-binary --require-hashes --requirement /tmp/requirements.txt

FROM base AS gateway
ENV PATH=/opt/venv/bin:$PATH
COPY --from=gateway-packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE ./
COPY docker ./docker
COPY ocppj ./ocppj
COPY wsgate ./wsgate
RUN python -m compileall -q ocppj wsgate
USER csms
EXPOSE 9000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "docker/healthcheck.py", "http://127.0.0.1:9000/healthz"]
CMD ["python", "-m", "wsgate", "--listen", "0.0.0.0:9000"]

FROM base AS packages
RUN python -m venv /opt/venv
COPY requirements/run.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --prefer-binary --require-hashes --requirement /tmp/requirements.txt

FROM base AS csms
ENV PATH=/opt/venv/bin:$PATH DATA_DIR=/data
RUN install -d -o csms -g csms -m 0700 /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE manage.py ./
COPY docker ./docker
COPY ocppj ./ocppj
COPY ocpp_app ./ocpp_app
COPY wsgate ./wsgate
COPY simulator ./simulator
COPY runcsms ./runcsms
COPY backend ./backend
RUN python -m compileall -q ocppj ocpp_app wsgate simulator runcsms backend
USER csms
VOLUME /data
EXPOSE 8000 9000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "docker/healthcheck.py", "http://127.0.0.1:8000/healthz"]
# A whole body is kept in a file before the application may refuse it, so no more than OCPP_UPLOAD_MAX_BYTES by default and
# 64 KiB for the form around it.
# What proxies say is believed or not by the application itself: BEHIND_PROXY, OCPP_TRUSTED_PROXIES.
CMD ["waitress-serve", "--listen=*:8000", "--channel-timeout=30", "--max-request-body-size=104923136", "--no-clear-untrusted-proxy-headers", "backend.wsgi:application"]
