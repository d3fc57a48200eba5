"""`python -m sophia_infra.training attend|watch FOLDER`: what a run leaves behind in the background."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sophia_infra.lambda_cloud import LambdaCloudError, install_redaction
from sophia_infra.privacy import forbid_core_dumps
from sophia_infra.provider.errors import ProviderError
from sophia_infra.training.attending import attend
from sophia_infra.training.errors import RunHeld, TrainingError
from sophia_infra.training.opening import open_means
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.watchdog import watch

_USAGE = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when there is nothing left to do, 1 when something failed, which the last line says."""
    forbid_core_dumps()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) != 2 or words[0] not in ("attend", "watch"):
        print("usage: python -m sophia_infra.training attend|watch FOLDER", file=sys.stderr)
        return _USAGE
    install_redaction()
    part, folder = words[0], RunFolder(Path(words[1]))
    try:
        means = open_means(folder, say=_say, with_watchdog=part == "attend")
        if part == "attend":
            attend(folder, means)
        else:
            watch(folder, means)
    except RunHeld as error:
        _say(str(error))
        return 0
    except (TrainingError, ProviderError, LambdaCloudError) as error:
        _say(str(error))
        return 1
    return 0


def _say(line: str) -> None:
    print(f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
