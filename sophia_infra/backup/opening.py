"""From a stack to its store, its key and its databases. An emulator's stack needs to say nothing of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from sophia_infra.backup.contents import own_folder
from sophia_infra.backup.databases import DatabaseAddress, parse_address
from sophia_infra.backup.errors import BackupRefused, KeyRefused
from sophia_infra.backup.key import BackupKey, new_key_file, parse_key, read_key
from sophia_infra.backup.stores import FolderStore, Store
from sophia_infra.engine.home import Home
from sophia_infra.model.backup import KEY_VARIABLE
from sophia_infra.model.stack_config import StackConfig

__all__ = ["LEDGER", "backed_up_databases", "open_key", "open_store"]

LEDGER = "gateway-ledger"
"""Name of the gateway's books among the databases."""


def open_store(config: StackConfig, home: Home, stack: str) -> Store:
    """The store of `sophia:backup`; for an emulator stack without one a folder beside its state.

    Raises BackupRefused: a real stack names none, or boto3 is missing.
    """
    section = config.backup
    if section is None:
        if config.endpoint != "emulator":
            raise BackupRefused(
                f"Pulumi.{stack}.yaml names no place for copies.",
                next_step="add `sophia:backup: {store: /lambda/nfs/copies}`, or a bucket: docs/backup.md.",
            )
        return FolderStore(home.root / "backup" / "sets")
    if section.store.startswith("s3://"):
        from sophia_infra.backup.s3_store import S3Store

        bucket, _, prefix = section.store.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix, section.s3_endpoint)
    return FolderStore(Path(section.store), must_exist=True)


def open_key(
    config: StackConfig, home: Home, stack: str, environ: Mapping[str, str] = os.environ
) -> BackupKey:
    """The key from the environment; an emulator stack without one gets its own, made once.

    Raises KeyRefused.
    """
    variable = KEY_VARIABLE if config.backup is None else config.backup.key_env
    key = read_key(variable, environ)
    if key is not None:
        return key
    if config.endpoint != "emulator":
        raise KeyRefused(
            f"Neither {variable} nor {variable}_FILE is set, and copies are always sealed.",
            next_step="`sophia backup new-key FILE` makes one. Keep it where the copies are not, and export "
            f"{variable}_FILE.",
        )
    file = own_folder(home, stack) / "key"
    return parse_key(file.read_text(encoding="ascii"), str(file)) if file.exists() else new_key_file(file)


def backed_up_databases(
    config: StackConfig,
    local_ledger: Path,
    without: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> tuple[dict[str, DatabaseAddress], list[str]]:
    """Name -> database, and a sentence for each that is left out.

    Args:
        local_ledger: the SQLite file of the gateway on this machine.
        without: names that the caller leaves out on purpose.

    Raises:
        BackupRefused: a variable is not set or holds no address. A set that lacks a database in silence is
            found out on the day it is needed.
    """
    variables = {
        name: row.url_env for name, row in (config.backup.databases if config.backup else {}).items()
    }
    found: dict[str, DatabaseAddress] = {}
    notes = []
    if config.gateway is not None and LEDGER not in variables:
        if config.gateway.ledger_url_env is not None and config.endpoint != "emulator":
            variables[LEDGER] = config.gateway.ledger_url_env
        elif local_ledger.is_file():
            found[LEDGER] = DatabaseAddress("sqlite", str(local_ledger))
        else:
            notes.append(f"{LEDGER}: the gateway has not run on this machine, so there is no file yet")
    wrong = sorted(set(without) - set(variables) - set(found))
    if wrong:
        raise BackupRefused(
            f"No database is named {wrong[0]}.",
            next_step=f"known: {', '.join(sorted({*variables, *found}))}.",
        )
    for name, variable in variables.items():
        if name in without:
            continue
        url = environ.get(variable)
        if not url:
            raise BackupRefused(
                f"{variable}, the address of database {name}, is not set. Nothing was copied.",
                next_step=f"export it, or leave the database out by `--without {name}`.",
            )
        found[name] = parse_address(url, variable)
    notes += [f"{name}: left out by --without" for name in sorted(without)]
    return {name: address for name, address in found.items() if name not in without}, notes
