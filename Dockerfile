# One image for all parts; the command chooses: web (the default), worker or gateway. See docker-compose.yml.

FROM python:3.13-slim AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/run.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --prefer-binary --require-hashes --requirement /tmp/requirements.txt

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
RUN groupadd --gid 10001 csms \
    && useradd --uid 10001 --gid csms --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin csms \
    && install -d -o csms -g csms -m 0700 /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE manage.py ./
COPY docker ./docker
COPY ocppj ./ocppj
COPY ocpp_app ./ocpp_app
COPY wsgate ./wsgate
COPY simulator ./simulator
COPY backend ./backend
RUN python -m compileall -q ocppj ocpp_app wsgate simulator backend
USER csms
VOLUME /data
EXPOSE 8000 9000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "docker/healthcheck.py", "http://127.0.0.1:8000/healthz"]
CMD ["waitress-serve", "--listen=*:8000", "--channel-timeout=30", "backend.wsgi:application"]
