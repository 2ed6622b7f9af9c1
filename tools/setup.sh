#!/usr/bin/env bash
# Makes .venv/, .venv-emulator/, node_modules/ and build/functions/ from the lock files alone.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup needs Python 3.11 or newer, got $("$python" --version 2>&1): run make setup PYTHON=python3.11" >&2
  exit 2
fi
command -v npm >/dev/null || { echo "setup needs npm, which is not on the PATH: install Node.js" >&2; exit 2; }

# The machine's own certificates, as pip and npm take them: a company's proxy has its own.
export UV_SYSTEM_CERTS=true

step() { printf '%5ss  %s\n' "$SECONDS" "$*"; }

step "node_modules/ (CDK command line and Node)"
npm ci --no-audit --no-fund --loglevel=error --no-update-notifier > build.npm.log 2>&1 &
npm_pid=$!
trap 'rm -f build.npm.log' EXIT

for folder in .venv .venv-emulator; do
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
done
step ".venv/ (the app, the command line, the tests)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/installer.txt
install() { .venv/bin/uv pip install --quiet --compile-bytecode --python "$@"; }
install .venv/bin/python --require-hashes -r locks/app.txt
install .venv/bin/python --no-deps -e .
step ".venv-emulator/ (the local emulator)"
install .venv-emulator/bin/python --require-hashes -r locks/emulator.txt
step "build/functions/ (what the Lambda functions carry)"
mkdir -p build
.venv/bin/python tools/stage_functions.py
wait "$npm_pid" || { cat build.npm.log >&2; exit 1; }
step "ready: $(.venv/bin/python --version), Node $(node_modules/.bin/node --version), CDK $(node_modules/.bin/cdk --version)"
