"""The project's own folder, and the environment in which the engine runs.

Everything the engine writes lies under one folder (`SOPHIA_HOME`, else `<checkout>/.sophia`): the state of
the file backend, the engine's own home with plugins and credentials, logs, and the passphrase of stack
`local`. The user's Pulumi login and `~/.pulumi` are neither read nor written.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.privacy import make_private_folders

LOCAL_STACK = "local"
"""The stack that must work without an account: all of its settings are ours, none is the user's."""

PROJECT_FILE = "Pulumi.yaml"

_LOOPBACK = "localhost,127.0.0.1,::1"
_KEPT_FOR_LOCAL = frozenset({"PULUMI_PARALLEL", "PULUMI_DEBUG_GRPC"})
_NEVER_KEPT = frozenset({"PULUMI_HOME", "PULUMI_CREDENTIALS_PATH", "PULUMI_STACK", "PULUMI_DEBUG_LANGUAGES"})


@dataclass(frozen=True, slots=True)
class Home:
    """Where the project keeps what it writes. Folders exist with mode 0700 once `open_home` has returned."""

    root: Path
    checkout: Path

    @property
    def state(self) -> Path:
        """File backend: stacks, history, locks."""
        return self.root / "state"

    @property
    def pulumi(self) -> Path:
        """PULUMI_HOME: plugins, credentials, workspaces of the engine."""
        return self.root / "pulumi"

    @property
    def stacks(self) -> Path:
        """Effective stack files of stacks whose tracked file must stay as it is."""
        return self.root / "stacks"

    @property
    def launches(self) -> Path:
        """Records that the provider writes around a launch."""
        return self.root / "launches"

    @property
    def pacing(self) -> Path:
        """Locked files that share one rate limit among processes."""
        return self.root / "pacing"

    @property
    def logs(self) -> Path:
        """What the engine printed and its event logs, newest runs only."""
        return self.root / "logs"

    @property
    def emulator(self) -> Path:
        """State and endpoint file of the emulator in the background."""
        return self.root / "emulator"

    @property
    def passphrase_file(self) -> Path:
        """Passphrase of stack `local`, made once."""
        return self.root / "passphrase"


def open_home(*, checkout: Path | None = None, environ: Mapping[str, str] = os.environ) -> Home:
    """Return the project's folder and make what is missing of it. A second call changes nothing.

    Args:
        checkout: folder with `Pulumi.yaml`; found by `find_checkout` when None.
        environ: read for `SOPHIA_HOME` and `SOPHIA_PROJECT` (`~` is expanded; relative paths start at the
            current folder).

    Raises:
        OSError: the folder cannot be made or written.
    """
    checkout = (checkout or find_checkout(environ)).resolve()
    chosen = environ.get("SOPHIA_HOME")
    root = Path(chosen).expanduser().resolve() if chosen else checkout / ".sophia"
    home = Home(root=root, checkout=checkout)
    for folder in (
        root,
        home.state,
        home.pulumi,
        home.stacks,
        home.launches,
        home.pacing,
        home.logs,
        home.emulator,
    ):
        make_private_folder(folder)
    return home


def find_checkout(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder with the project and its stack files.

    That is `SOPHIA_PROJECT` when set, for stack files that live elsewhere; else the nearest folder with
    `Pulumi.yaml` above this package, else at or above the current folder. Falls back to the current folder
    itself, where the engine will then say that there is no project.
    """
    chosen = environ.get("SOPHIA_PROJECT")
    if chosen:
        return Path(chosen).expanduser().resolve()
    here = Path.cwd()
    for start in (Path(__file__).resolve().parent, here):
        for folder in (start, *start.parents):
            if (folder / PROJECT_FILE).is_file():
                return folder
    return here


def make_private_folder(folder: Path) -> None:
    """Make `folder`, and what is missing above it, with mode 0700; one that is open to others is closed."""
    make_private_folders(folder)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def write_private_file(file: Path, text: str) -> None:
    """Replace `file` by `text` in one step, mode 0600: readers see the old or the new text, never a part."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def ensure_passphrase(home: Home) -> Path:
    """Return the file with the passphrase of stack `local`; the first call makes it (256 random bits).

    Two processes that start together end with the same passphrase: the file appears whole or not at all.
    """
    file = home.passphrase_file
    if file.exists():
        return file
    draft = file.with_name(f".passphrase.{os.getpid()}.{secrets.token_hex(4)}")
    write_private_file(draft, secrets.token_urlsafe(32))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file


def engine_environment(
    stack: str,
    home: Home,
    *,
    engine_directory: Path,
    ambient_plugins: bool,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Build the environment for the `pulumi` command. Writes nothing but the passphrase of stack `local`.

    Stack `local` keeps no PULUMI_* variable of the user that could send it elsewhere: file backend under
    `home`, own passphrase, no plugin downloads. Other stacks keep the user's backend, access token and
    passphrase when they are set, and use the file backend under `home` when neither backend nor token is.

    Args:
        engine_directory: put first on PATH.
        ambient_plugins: whether plugins found on PATH may be used. False for the engine we built, which has
            its language host beside it; True for an official CLI, whose distribution may put it elsewhere.
        environ: the user's environment; copied, never changed.
    """
    local = stack == LOCAL_STACK
    environment = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PULUMI_") or (name in _KEPT_FOR_LOCAL if local else name not in _NEVER_KEPT)
    }
    if local:
        environment["PULUMI_BACKEND_URL"] = backend_url(home)
        environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(ensure_passphrase(home))
        environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        environment["PULUMI_CREDENTIAL_STORE"] = "plaintext"  # "auto" would ask the user's keyring
    elif not (environment.get("PULUMI_BACKEND_URL") or environment.get("PULUMI_ACCESS_TOKEN")):
        environment["PULUMI_BACKEND_URL"] = backend_url(home)
    environment["PULUMI_HOME"] = str(home.pulumi)
    environment["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    environment["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    environment["PULUMI_DEBUG_COMMANDS"] = "true"  # shows the --event-log option, nothing else that we use
    if not ambient_plugins:
        environment["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    environment["NO_COLOR"] = "1"
    # Engine, language host and providers talk over loopback, where gRPC would ask a proxy as well.
    direct = environ.get("no_proxy") or environ.get("NO_PROXY")
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = f"{direct},{_LOOPBACK}" if direct else _LOOPBACK
    path = environ.get("PATH", os.defpath)
    environment["PATH"] = os.pathsep.join([str(engine_directory), path])
    return environment


def backend_url(home: Home) -> str:
    """The URL of the file backend under `home`, as PULUMI_BACKEND_URL takes it."""
    return f"file://{home.state}"


def file_backend(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of the backend in `environment`, or None when it is not a folder of this machine."""
    url = environment.get("PULUMI_BACKEND_URL", "")
    if not url.startswith("file://"):
        return None
    return Path(url.removeprefix("file://")).expanduser()
