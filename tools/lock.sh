#!/usr/bin/env bash
# Renews locks/*.txt and requirements.txt from pyproject.toml and locks/*.in.
# The locks hold hashes and no address, so that they install through any registry or mirror.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate "$@"; }
upgrade=${1:-}
compile $upgrade --generate-hashes pyproject.toml --group dev -o locks/app.txt
for name in emulator functions installer; do
  compile $upgrade --generate-hashes "locks/$name.in" -o "locks/$name.txt"
done
{
  echo "# Exported pins (make lock); locks/app.txt has the same with hashes."
  grep -E '^[a-z].*==' locks/app.txt | sed 's/ \\$//'
  echo "-e ."
} > requirements.txt
