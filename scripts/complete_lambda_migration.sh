#!/usr/bin/env bash
# The plan's `./scripts/complete_lambda_migration.sh`: it is `sophia migrate complete`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "${PYTHON:-$python}" -m sophia_infra.cli migrate complete "$@"
