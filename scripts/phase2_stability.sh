#!/usr/bin/env bash
# The plan's `./scripts/phase2_stability.sh`: it is `sophia migrate phase2`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "${PYTHON:-$python}" -m sophia_infra.cli migrate phase2 "$@"
