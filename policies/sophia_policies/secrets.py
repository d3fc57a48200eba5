"""Secrets are never written down. No text of a finding repeats the value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from sophia_infra.model.redaction import PRIVATE_KEY_MARK
from sophia_policies.kubernetes import Container, containers, has_pods, is_kind, object_name, pod_template
from sophia_policies.machines import is_instance
from sophia_policies.plain import Resource, entries, is_unknown, read, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, violation

__all__ = ["RULES"]

# Shapes that only keys have. Long mixed runs are left out: digests and public keys in boot text have
# them too.
_KEY_SHAPES = re.compile(
    r"\bsecret_[\w-]*[0-9a-f]{16}"
    r"|\bpul-[0-9a-f]{16}"
    r"|\b(?:gh[opsur]|github_pat|glpat|hf|xox[a-z])[_-]\w{8}"
    r"|\bsk-[\w-]{12}"
    r"|\bAKIA[0-9A-Z]{12}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|\bK10[0-9a-f]{64}::"  # a k3s token with the hash of its CA
    r"|://[^/\s@:]+:[^/\s@]{3,}@"  # a password in an address
)
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:secret|token|password|passwd|passphrase|credentials?|api_?key|private_?key)(?:$|[_.-])",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(
    r"^[\s-]*(?:export\s+)?([A-Za-z][\w.-]*)\s*[:=]\s*[\"']?([^\s\"'#]{6,})", re.MULTILINE
)
_REFERENCE = re.compile(r"^(?:\$|/|file:|<|\{\{)|^(?:true|false|null|none)$", re.IGNORECASE)


def _looks_like_key(text: str) -> bool:
    return bool(_KEY_SHAPES.search(text) or PRIVATE_KEY_MARK.search(text))


def _is_secret_literal(name: str, value: str) -> bool:
    """Whether a value of this name is a secret: by its own shape, or by the name when it is no reference."""
    if _looks_like_key(value):
        return True
    return bool(value and _SECRET_NAME.search(name) and not _REFERENCE.search(value))


def _check_environment(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for container in containers(pod_template(resource)):
        if is_unknown(container.spec):
            yield cannot_tell("its containers are not known")
            continue
        yield from _check_container(container)


def _check_container(container: Container) -> Iterator[Finding]:
    for variable in entries(read(container.spec, "env")):
        if is_unknown(variable):
            yield cannot_tell(f"the environment of container {container.name} is not known")
            continue
        name, value = text_of(read(variable, "name")), read(variable, "value")
        if is_unknown(value):
            if _SECRET_NAME.search(name):
                yield cannot_tell(f"container {container.name}: the value of {name} is not known")
        elif _is_secret_literal(name, text_of(value)):
            yield violation(f"container {container.name}: variable {name} holds a secret as plain text")
    for part in ("command", "args"):
        for argument in entries(read(container.spec, part)):
            if not is_unknown(argument) and _looks_like_key(text_of(argument)):
                yield violation(f"container {container.name}: {part} holds a secret as plain text")


def _is_config_map(resource: Resource) -> bool:
    return is_kind(resource, "core", "ConfigMap")


def _check_config_map(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    content = read(resource.props, "data")
    if is_unknown(content):
        yield cannot_tell("its data are not known")
        return
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if is_unknown(value):
            if _SECRET_NAME.search(key):
                yield cannot_tell(f"the value of {key} is not known")
        elif _is_secret_literal(key, text_of(value)) or _assigned_secret(text_of(value)):
            yield violation(f"{key} holds a secret as plain text")


def _check_user_data(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    value = resource.props.get("user_data")
    if is_unknown(value):
        yield cannot_tell("its user_data is not known")
        return
    text = text_of(value)
    if _looks_like_key(text):
        yield violation("user_data holds something with the shape of a key; it is kept in the state")
    else:
        name = _assigned_secret(text)
        if name:
            yield violation(f"user_data sets {name} to a literal; it is kept in the state")


def _assigned_secret(text: str) -> str:
    """The name of the first secret that a line of `text` sets to a literal; empty when none does."""
    for match in _ASSIGNMENT.finditer(text):
        name, value = match[1], match[2]
        if _SECRET_NAME.search(name) and not _REFERENCE.search(value):
            return name
    return ""


def _is_secret(resource: Resource) -> bool:
    return is_kind(resource, "core", "Secret")


def _check_external(resource: Resource, situation: Situation) -> Iterator[Finding]:
    name = object_name(resource)
    if any(fnmatchcase(name, pattern) for pattern in situation.settings["allowed"]):
        return
    filled = [part for part in ("data", "stringData") if _has_content(read(resource.props, part))]
    if filled:
        yield violation(
            f"Secret {name} gets its {' and '.join(filled)} from this program and so from its state"
        )
    elif any(is_unknown(read(resource.props, part)) for part in ("data", "stringData")):
        yield cannot_tell(f"whether Secret {name} has content of this program is not known")


def _has_content(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="no-literal-secret",
        level="mandatory",
        summary="No environment variable, command or argument of a container holds a secret.",
        reason="It stands in the state, in the API server, in every dump of a pod, and mostly in git.",
        fix="Take it from a Secret by `valueFrom.secretKeyRef`, and fill that by an ExternalSecret. "
        "Then change the key.",
        applies=has_pods,
        check=_check_environment,
    ),
    ResourceRule(
        name="no-secret-in-config-map",
        level="mandatory",
        summary="No ConfigMap holds a secret.",
        reason="ConfigMaps are readable by everybody in the namespace and are not encrypted.",
        fix="Move the value into an ExternalSecret. Then change the key.",
        applies=_is_config_map,
        check=_check_config_map,
    ),
    ResourceRule(
        name="no-secret-in-user-data",
        level="mandatory",
        summary="The boot text of a machine holds no secret.",
        reason="User data is kept in the state and readable on the machine by every process.",
        fix="Fetch the secret at boot, or pass a join token that expires in an hour.",
        applies=is_instance,
        check=_check_user_data,
    ),
    ResourceRule(
        name="secrets-by-external-secret",
        level="mandatory",
        summary="Secrets of the cluster are made by an ExternalSecret, not by this program.",
        reason="What this program writes is in its state, and is rotated only by an update.",
        fix="Declare an ExternalSecret (external-secrets.io/v1). List what has to exist before it "
        "in `allowed`.",
        settings={
            "allowed": Setting(
                {"type": "array", "items": {"type": "string"}},
                [],
                "patterns of names that may be made here, for example the token of the secret store",
            )
        },
        applies=_is_secret,
        check=_check_external,
    ),
)
