#!/usr/bin/env bash
# The plan's `./scripts/phase3_scale_optimization.sh`: it is `sophia migrate phase3`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "${PYTHON:-$python}" -m sophia_infra.cli migrate phase3 "$@"
