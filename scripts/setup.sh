#!/usr/bin/env bash
# Makes .venv and installs the locked packages of requirements/$1.txt into it ("run" or "dev").
# Says nothing and takes no time when that is done already. PYTHON=… chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

group=${1:?usage: scripts/setup.sh run|dev}
lock=requirements/$group.txt

fail() {
    printf '\n' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "No Python 3.11 or newer was found${PYTHON:+ at PYTHON=$PYTHON}." \
        "Debian 12 and Ubuntu 24.04 have it: apt-get install python3 python3-venv" \
        "Another interpreter: make … PYTHON=/path/to/python3.12"
}

# Debian and Ubuntu keep what `python3 -m venv` needs in a package of its own.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $package …"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package"; } \
            >.setup.log 2>&1 </dev/null || { cat .setup.log >&2; fail "apt-get could not install $package (its words are above)."; }
        rm -f .setup.log
    else
        fail "This Python cannot make virtual environments: its venv module is missing." \
            "Install it, then run the same command again:  sudo apt-get install $package"
    fi
}

# The lock of a group, and the interpreter, which a system upgrade may have exchanged underneath.
fingerprint() { { cat "requirements/$1.txt" && .venv/bin/python --version; } | cksum; }
stamp() { echo ".venv/.installed-$1"; }

if [ -x .venv/bin/python ] && [ -f "$(stamp "$group")" ] && [ "$(cat "$(stamp "$group")")" = "$(fingerprint "$group")" ]; then
    exit 0
fi

if ! { [ -x .venv/bin/python ] && is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    python=$(find_python)
    ensure_venv_module "$python"
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    "$python" -m venv .venv
fi

count=$(grep -c '^[a-z0-9].*==' "$lock")
echo "Installing $count packages from $lock, once …"
rm -f .venv/.installed-*
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --prefer-binary \
    --require-hashes --requirement "$lock" </dev/null ||
    fail "pip could not install the packages of $lock (its words are above)." "When the network is there again, run the same command once more."
fingerprint "$group" >"$(stamp "$group")"
# requirements/dev.txt holds everything of run.txt, in the same versions.
if [ "$group" = dev ]; then fingerprint run >"$(stamp run)"; fi
