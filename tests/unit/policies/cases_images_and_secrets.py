"""Cases of the rules about images and secrets. Keys are put together here, so that no scanner finds one."""

from __future__ import annotations

from typing import Any

from sophia_policies.plain import Resource

from tests.unit.policies.policy_cases import DIGEST, UNKNOWN, Case, container, kube, machine, workload

HEX = "0123456789abcdef"
API_KEY = "sk-" + "abcdefghijkl" + "mnop1234"
LAMBDA_KEY = "secret_" + "test_" + HEX * 2
PRIVATE_KEY = "-----BEGIN " + "OPENSSH PRIVATE KEY-----"


def image(name: Any, kind: str = "Deployment") -> Resource:
    return workload("web", [container(image=name)], kind=kind)


def env(name: str, value: Any, **spec: Any) -> Resource:
    return workload("web", [container(env=[{"name": name, "value": value}], **spec)])


def secret(**props: Any) -> Resource:
    return kube("core/v1:Secret", "store-token", **props)


def boot(text: Any) -> Resource:
    return machine("a", user_data=text)


def config_map(content: Any) -> Resource:
    return kube("core/v1:ConfigMap", "settings", data=content)


def release(version: Any) -> Resource:
    return kube("helm.sh/v3:Release", "operator", version=version)


IMAGES = (
    Case("no-latest", "pass", "a tag", [image("ghcr.io/a/b:1.2")]),
    Case("no-latest", "pass", "a digest without a tag", [image(f"ghcr.io/a/b{DIGEST}")]),
    *(
        Case(
            "no-latest",
            "fail",
            f"latest in a {kind}",
            [image("a/b:latest", kind)],
            [("violation", "a/b:latest")],
        )
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
    ),
    Case("no-latest", "fail", "no tag", [image("a/b")], [("violation", "is whatever is newest")]),
    Case(
        "no-latest",
        "boundary",
        "the port of a registry is no tag",
        [image("host:5000/a")],
        [("violation", "host")],
    ),
    Case("no-latest", "boundary", "a tag that begins with latest", [image("a/b:latest-2")]),
    Case(
        "no-latest",
        "boundary",
        "latest with a digest is still called latest",
        [image(f"a:latest{DIGEST}")],
        [("violation", "newest")],
    ),
    Case(
        "no-latest",
        "fail",
        "init containers too",
        [workload(initContainers=[container("init", image="a:latest")])],
        [("violation", "container init")],
    ),
    Case("no-latest", "unknown", "unknown image", [image(UNKNOWN)], [("cannot_tell", "container main")]),
    Case(
        "no-latest",
        "unknown",
        "unknown containers",
        [workload(containers=UNKNOWN)],
        [("cannot_tell", "(unknown)")],
    ),
    Case("image-digest", "pass", "pinned", [image(f"a:1{DIGEST}")]),
    Case("image-digest", "fail", "a tag only", [image("a:1")], [("violation", "a:1 has no digest")]),
    Case(
        "image-digest",
        "boundary",
        "a digit short",
        [image(f"a:1{DIGEST}"[:-1])],
        [("violation", "no digest")],
    ),
    Case("image-digest", "unknown", "unknown", [image(UNKNOWN)], [("cannot_tell", "image")]),
    Case("image-registries", "pass", "no list", [image("a:1")]),
    Case("image-registries", "pass", "listed", [image("ghcr.io/a:1")], settings={"registries": ["ghcr.io"]}),
    Case(
        "image-registries",
        "fail",
        "another",
        [image("quay.io/a/b:1")],
        [("violation", "registry quay.io is not one of ghcr.io")],
        {"registries": ["ghcr.io"]},
    ),
    Case(
        "image-registries",
        "boundary",
        "a name without a host is docker.io",
        [image("library/redis:7")],
        [("violation", "registry docker.io")],
        {"registries": ["ghcr.io"]},
    ),
    Case(
        "image-registries",
        "unknown",
        "unknown",
        [image(UNKNOWN)],
        [("cannot_tell", "image")],
        {"registries": ["ghcr.io"]},
    ),
    Case("chart-version", "pass", "named", [release("v26.7.0")]),
    Case("chart-version", "fail", "none", [release(None)], [("violation", "names no version")]),
    Case(
        "chart-version",
        "boundary",
        "an empty one is none",
        [release("")],
        [("violation", "names no version")],
    ),
    Case("chart-version", "unknown", "unknown", [release(UNKNOWN)], [("cannot_tell", "version")]),
)

SECRETS = (
    Case(
        "no-literal-secret", "pass", "ordinary values", [env("LOG_LEVEL", "debug"), env("TOKENS_MAX", "4096")]
    ),
    Case(
        "no-literal-secret",
        "pass",
        "by reference",
        [
            workload(
                "web",
                [
                    container(
                        env=[{"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
                    )
                ],
            )
        ],
    ),
    Case(
        "no-literal-secret",
        "fail",
        "by name",
        [env("DB_PASSWORD", "hunter22")],
        [("violation", "DB_PASSWORD")],
    ),
    Case("no-literal-secret", "fail", "by shape", [env("X", API_KEY)], [("violation", "variable X")]),
    Case(
        "no-literal-secret",
        "fail",
        "in an argument",
        [workload("web", [container(args=["--key", LAMBDA_KEY])])],
        [("violation", "args holds")],
    ),
    Case(
        "no-literal-secret",
        "fail",
        "a password in an address",
        [env("URL", "postgres://u:" + "hunter22@db/x")],
        [("violation", "variable URL")],
    ),
    Case(
        "no-literal-secret",
        "boundary",
        "a file, a variable and an empty value are references",
        [env("DB_PASSWORD_FILE", "/run/s"), env("TOKEN", "$(OTHER)"), env("API_KEY", "")],
    ),
    Case(
        "no-literal-secret",
        "unknown",
        "unknown value",
        [env("API_KEY", UNKNOWN)],
        [("cannot_tell", "API_KEY")],
    ),
    Case("no-literal-secret", "unknown", "of no secret name: silent", [env("HOST", UNKNOWN)]),
    Case(
        "no-literal-secret",
        "unknown",
        "unknown environment",
        [workload("web", [container(env=UNKNOWN)])],
        [("cannot_tell", "environment")],
    ),
    Case("no-secret-in-config-map", "pass", "ordinary", [config_map({"mode": "fast"})]),
    Case(
        "no-secret-in-config-map",
        "fail",
        "by name",
        [config_map({"db.password": "x1y2z3"})],
        [("violation", "db.password")],
    ),
    Case(
        "no-secret-in-config-map",
        "fail",
        "inside a file",
        [config_map({"redis.conf": "maxmemory 1gb\nrequirepass: x\npassword = swordfish1\n"})],
        [("violation", "redis.conf")],
    ),
    Case("no-secret-in-config-map", "boundary", "a reference", [config_map({"api_key": "${API_KEY}"})]),
    Case(
        "no-secret-in-config-map", "unknown", "unknown data", [config_map(UNKNOWN)], [("cannot_tell", "data")]
    ),
    Case(
        "no-secret-in-config-map",
        "unknown",
        "unknown value",
        [config_map({"token": UNKNOWN})],
        [("cannot_tell", "token")],
    ),
    Case(
        "no-secret-in-user-data",
        "pass",
        "a public key and a digest are no secrets",
        [
            boot(
                "#cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 "
                + "AAAAC3" * 11
                + f"\nsha: {HEX * 4}\n"
            )
        ],
    ),
    Case("no-secret-in-user-data", "pass", "none", [machine("a")]),
    Case(
        "no-secret-in-user-data",
        "fail",
        "a private key",
        [boot(f"#!/bin/sh\n{PRIVATE_KEY}")],
        [("violation", "shape of a key")],
    ),
    Case(
        "no-secret-in-user-data",
        "fail",
        "a literal by name",
        [boot("#!/bin/sh\nexport K3S_TOKEN=swordfish1\n")],
        [("violation", "user_data sets K3S_TOKEN")],
    ),
    Case(
        "no-secret-in-user-data",
        "fail",
        "a k3s token",
        [boot("#!/bin/sh\nrun K10" + HEX * 4 + "::server:x\n")],
        [("violation", "shape of a key")],
    ),
    Case("no-secret-in-user-data", "boundary", "from a file", [boot("#!/bin/sh\nTOKEN=/run/token-file\n")]),
    Case("no-secret-in-user-data", "unknown", "unknown", [boot(UNKNOWN)], [("cannot_tell", "user_data")]),
    Case(
        "secrets-by-external-secret",
        "pass",
        "an ExternalSecret",
        [kube("external-secrets.io/v1:ExternalSecret", "s")],
    ),
    Case(
        "secrets-by-external-secret",
        "fail",
        "stringData",
        [secret(stringData={"a": "b"})],
        [("violation", "stringData")],
    ),
    Case(
        "secrets-by-external-secret", "fail", "data", [secret(data={"a": "b"})], [("violation", "its data")]
    ),
    Case("secrets-by-external-secret", "boundary", "an empty one, for others to fill", [secret(data={})]),
    Case(
        "secrets-by-external-secret",
        "boundary",
        "allowed by name",
        [secret(data={"a": "b"})],
        settings={"allowed": ["store-*"]},
    ),
    Case(
        "secrets-by-external-secret",
        "unknown",
        "unknown data",
        [secret(data=UNKNOWN)],
        [("cannot_tell", "content")],
    ),
    Case(
        "secrets-by-external-secret",
        "unknown",
        "an unknown value is content all the same",
        [secret(stringData={"a": UNKNOWN})],
        [("violation", "stringData")],
    ),
)

CASES = (*IMAGES, *SECRETS)
SECRET_VALUES = (API_KEY, LAMBDA_KEY, PRIVATE_KEY, "hunter22", "swordfish1")
