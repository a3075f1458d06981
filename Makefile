# Two commands are enough to begin with: `make run` and `make test`. Each sets up what it needs by itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python

# make run, make cluster: where it listens, how many simulated charge points, where its data is kept.
HOST ?= 127.0.0.1
HTTP_PORT ?= 8000
WS_PORT ?= 9000
COUNT ?= 5
SPEED ?= 1
DATA_DIR ?= data
export HOST HTTP_PORT WS_PORT COUNT SPEED DATA_DIR

.PHONY: help
help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: setup setup-dev
setup: ## the virtual environment with what the system needs to run
	@scripts/setup.sh run
setup-dev: ## the same, and what tests, lint and docs need
	@scripts/setup.sh dev

.PHONY: lock
lock: setup-dev ## requirements/*.txt anew from pyproject.toml (UPGRADE=--upgrade for newer releases)
	@scripts/lock.sh $(UPGRADE)

.PHONY: run
run: setup ## the central system with five simulated chargers: SQLite, no broker, Ctrl-C stops it
	@$(PY) -m scripts.run

.PHONY: cluster cluster-status
cluster: setup-dev ## the same over RabbitMQ and PostgreSQL: 2 gateways, 2 worker processes, web; a dead part is started again
	@$(PY) -m scripts.cluster
cluster-status: setup-dev ## the parts of the running cluster, with their process ids
	@.venv/bin/supervisorctl -c $(DATA_DIR)/cluster/supervisord.conf status

# Tests never read this machine's own settings: not .env, and none of these variables.
TEST_ENV := env -u AMQP_URL -u OCPP_RELAY -u SECRET_KEY -u DEBUG -u PYTHONDONTWRITEBYTECODE ENV_FILE=/dev/null DATA_DIR=$(CURDIR)/.services/test-data
# What pytest gets: make test PYTEST_ARGS='-k boot -x'. Four processes for two cores, because half of the time a test of
# real processes waits for them; PROCESSES=0 for one, to debug. tests/conftest.py says what goes to the same process.
PYTEST_ARGS ?=
PROCESSES ?= 4
PYTEST = $(PY) -m pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder

.PHONY: services stop-services
services: setup-dev ## RabbitMQ, PostgreSQL, Chromium and tools for the tests: found, or started here on free ports
	@$(PY) -m scripts.services up rabbitmq postgres chromium caddy helm prometheus systemd
stop-services: setup ## stops what `make services` has started
	@$(PY) -m scripts.services down

# Every test on SQLite; then those that use Django's database once more, on PostgreSQL. Tests with real processes run on
# both within the first round (the fixture database_url).
.PHONY: test test-sqlite test-postgres
test: test-sqlite test-postgres ## all tests, with real RabbitMQ, PostgreSQL and Chromium
test-sqlite: services ## all tests, Django's database on SQLite
	@echo "── tests, Django's database on SQLite"
	@$(TEST_ENV) DATABASE_URL=sqlite:///$(CURDIR)/.services/test.sqlite3 $(PYTEST) $(PYTEST_ARGS)
test-postgres: services ## the tests that use Django's database, on PostgreSQL
	@echo "── tests of the database, on PostgreSQL"
	@url=$$($(PY) -m scripts.services url postgres) && \
	$(TEST_ENV) DATABASE_URL="$$url" $(PYTEST) -m database $(PYTEST_ARGS)

# Each check says its name and, when it has something to say, what to do.
CODE := $(wildcard ocppj wsgate simulator ocpp_app runcsms backend bench docker scripts tests manage.py)
LINT := lint-ruff lint-types lint-imports lint-migrations lint-docs lint-docker lint-shell
.PHONY: lint $(LINT)
lint: $(LINT) ## formatting, types, the walls between the folders, migrations, docs, Docker files, scripts
	@echo "lint: all good"
$(LINT): setup-dev
lint-ruff:
	@echo "── ruff"
	@.venv/bin/ruff check --quiet $(CODE) || { echo "Many of these repair themselves: make format"; exit 1; }
	@.venv/bin/ruff format --check --quiet $(CODE) || { echo "The lines above are not formatted: make format"; exit 1; }
lint-types:
	@echo "── mypy"
	@$(TEST_ENV) $(PY) -m mypy --no-error-summary $(CODE)
lint-imports:
	@echo "── import-linter"
	@mkdir -p .services
	@$(TEST_ENV) PYTHONPATH=. .venv/bin/lint-imports --no-cache >.services/lint-imports.log || { cat .services/lint-imports.log; exit 1; }
lint-migrations:
	@echo "── migrations"
	@mkdir -p .services
	@$(TEST_ENV) DATABASE_URL=sqlite://:memory: $(PY) manage.py makemigrations --check --dry-run --verbosity 1 >.services/migrations.log \
		|| { cat .services/migrations.log; echo "The models have changed: $(PY) manage.py makemigrations"; exit 1; }
lint-docs:
	@echo "── mkdocs"
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict --site-dir site
lint-docker:
	@echo "── docker"
	@$(PY) -m scripts.check_compose
lint-shell:
	@echo "── shell"
	@.venv/bin/shellcheck .ci/run scripts/*.sh deploy/systemd/*.sh

.PHONY: docs
docs: setup-dev ## the documentation, at http://127.0.0.1:8001, made anew with every change
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs serve --quiet --dev-addr 127.0.0.1:8001

.PHONY: format
format: setup-dev ## repairs what ruff can repair by itself
	@.venv/bin/ruff check --fix --quiet $(CODE) || true
	@.venv/bin/ruff format --quiet $(CODE)

ifneq ($(wildcard bench/__main__.py),)
.PHONY: bench
bench: services ## throughput and latency, with what each part costs
	@$(PY) -m bench
endif

.PHONY: screenshots
screenshots: services ## pictures of every page of the console, in .services/screenshots and (the best three) docs/images
	@$(PY) -m scripts.screenshots

# What can be set: SOAK=900 (seconds), CHARGERS=200, SEED=…, PARTS="soak guards cluster storm site" (all),
# FAULT=broker-killed (only that one, again and again), GUARD=liveness (only that one off). With nothing set it writes docs/generated/faults.md.
.PHONY: test-faults
test-faults: setup-dev ## breaks every part under load, again and again, and compares what is left (about 35 minutes)
	@CI=true $(PY) -m scripts.services up rabbitmq postgres >/dev/null
	@$(TEST_ENV) $(PY) -m tests.faults $(PARTS) $(if $(PARTS)$(FAULT)$(GUARD)$(SOAK)$(CHARGERS),,--write)

.PHONY: messages
messages: setup-dev ## the catalogues of texts anew from the code, for translators (needs GNU gettext)
	@$(TEST_ENV) $(PY) -m scripts.texts

.PHONY: audit sbom
audit: setup-dev ## known vulnerabilities of the locked packages
	@$(PY) -m scripts.audit
sbom: setup-dev ## what the system is made of: sbom.json (CycloneDX), from the lock
	@$(PY) -m scripts.sbom

.PHONY: fuzz
fuzz: setup-dev ## the fuzz test for longer (FUZZ_BATCHES=1500, about 30 frames each), with its figures
	@$(TEST_ENV) FUZZ_BATCHES=$${FUZZ_BATCHES:-1500} $(PY) -m pytest tests/e2e/test_fuzz.py -q

.PHONY: fuzz-api
fuzz-api: setup-dev ## schemathesis against the REST API for longer (API_FUZZ_EXAMPLES=100 requests for each operation)
	@$(TEST_ENV) API_FUZZ_EXAMPLES=$${API_FUZZ_EXAMPLES:-100} $(PY) -m pytest tests/ocpp_app/api/test_schema.py -q
