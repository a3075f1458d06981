#!/usr/bin/env bash
# Compiles requirements/*.txt from pyproject.toml: every package with its version and hashes, for all platforms and
# Pythons that we support. uv does the resolving; `make run` and `make test` install the result with plain pip.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
    uv=.venv/bin/uv
fi

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make lock" "$@" >/dev/null
}

compile pyproject.toml --all-extras "${@}" --group dev --output-file requirements/dev.txt
# The same versions in all of them, so that what is tested is what runs.
compile pyproject.toml --all-extras "${@}" --constraint requirements/dev.txt --output-file requirements/run.txt
compile "${@}" --constraint requirements/dev.txt --group gateway-image --output-file requirements/gateway.txt
