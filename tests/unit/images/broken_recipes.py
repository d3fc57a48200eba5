"""docker/Dockerfile with one promise broken each, so that every rule is seen to notice."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.images import recipe_rules as rules

_MANIFESTS = "COPY --from=service pyproject.tom[l] uv.loc[k] requirements.loc[k] requirements.tx[t] /"
_SOURCE = "COPY --from=source / /app/src/"
_PYTHON_CHECK = 'CMD ["/app/.venv/bin/python", "-c", "'


@dataclass(frozen=True)
class Broken:
    """One change of the text. `old` has to be there: a change that changes nothing proves nothing."""

    rule: rules.Rule
    what: str
    old: str
    new: str

    def apply(self, text: str) -> str:
        assert self.old in text, self.old
        return text.replace(self.old, self.new, 1)


_CACHE, _TARGETS, _LEFT = (
    rules.dependency_layer_ignores_source,
    rules.targets_exist,
    rules.nothing_of_the_build_is_left,
)
_USER, _HEALTH, _LOCK = rules.nobody_is_root, rules.health_needs_no_tool, rules.images_come_from_the_lock
_ADD, _SECRET, _ALIKE = (
    rules.nothing_is_downloaded_by_add,
    rules.no_secret_is_baked_in,
    rules.both_results_are_alike,
)

BROKEN = (
    Broken(_CACHE, "source before dependencies", "WORKDIR /manifests\n", f"WORKDIR /manifests\n{_SOURCE}\n"),
    Broken(_CACHE, "all of the service as manifest", _MANIFESTS, "COPY --from=service . /"),
    Broken(_CACHE, "the source mounted", "type=bind,from=manifests,", "type=bind,from=source,"),
    Broken(_CACHE, "the context mounted", "type=bind,from=manifests,source=/,", "type=bind,"),
    Broken(_CACHE, "the module's name too early", "WORKDIR /manifests\n", "WORKDIR /manifests\nARG MODULE\n"),
    Broken(
        _CACHE, "an argument in the stage below", "ARG PYTHON_VERSION", "ARG REVISION\nARG PYTHON_VERSION"
    ),
    Broken(_CACHE, "no lock among the manifests", " uv.loc[k]", ""),
    Broken(_CACHE, "the gateway's source as manifest", "COPY docker/gateway/requirements.lock", "COPY ."),
    Broken(_CACHE, "the exporter's source as manifest", "COPY docker/exporter/requirements.lock", "COPY ."),
    Broken(
        _CACHE, "the exporter without its source", "COPY sophia_infra/exporter /", "COPY sophia_infra/model /"
    ),
    Broken(_TARGETS, "another name", "AS production", "AS release"),
    Broken(_TARGETS, "no CUDA variant", "AS gpu-runtime", "AS gpu"),
    Broken(_LEFT, "the build stage as result", "FROM ${RUNTIME_IMAGE} AS", "FROM tools AS"),
    Broken(_LEFT, "an image with pip as result", "FROM ${RUNTIME_IMAGE} AS", "FROM ${PYTHON_IMAGE} AS"),
    Broken(_LEFT, "uv in the result", "ARG PORT", "COPY --from=tools /usr/local/bin/uv /bin/uv\nARG PORT"),
    Broken(_LEFT, "a command in the result", "USER 10001", "RUN pip install x\nUSER 10001"),
    Broken(_LEFT, "a compiler", "uv python install", "apt-get install -y gcc; uv python install"),
    Broken(_USER, "root by number", "USER 10001:10001\n", "USER 0:0\n"),
    Broken(_USER, "the group of root", "USER 10001:10001\n", "USER 10001:0\n"),
    Broken(_USER, "a name", "USER 10001:10001\n", "USER sophia\n"),
    Broken(_USER, "no user", "USER 10001:10001\n", ""),
    Broken(_USER, "root in the end", "ENTRYPOINT", "USER root\nENTRYPOINT"),
    Broken(_HEALTH, "curl", _PYTHON_CHECK, 'CMD ["curl", "-c", "'),
    Broken(_HEALTH, "wget behind python", _PYTHON_CHECK, f"{_PYTHON_CHECK}wget "),
    Broken(_HEALTH, "no check", "HEALTHCHECK", "# HEALTHCHECK"),
    Broken(_LOCK, "a tag", "FROM ${CUDA_IMAGE}", "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04"),
    Broken(_LOCK, "a default", "ARG PYTHON_IMAGE\n", "ARG PYTHON_IMAGE=python:3.12\n"),
    Broken(_LOCK, "a file of another image", _SOURCE, "COPY --from=astral/uv:0.13.9 /uv /bin/"),
    Broken(_LOCK, "a mount of another image", "from=manifests,", "from=busybox:1.36,"),
    Broken(_LOCK, "a forgotten context is an image", "FROM scratch AS service\nCOPY . /\n", ""),
    Broken(_LOCK, "a frontend image", "# One recipe", "# syntax=docker/dockerfile:1\n# One recipe"),
    Broken(_ADD, "a download", _SOURCE, "ADD https://example.com/a.tar /app/src/"),
    Broken(_SECRET, "an argument", "ARG MODULE", "ARG GITHUB_TOKEN\nARG MODULE"),
    Broken(_SECRET, "a variable", "PYTHONUNBUFFERED=1", "OPENAI_API_KEY=x"),
    Broken(_SECRET, "a global argument", "ARG CUDA_IMAGE\n", "ARG CUDA_IMAGE\nARG DB_PASSWORD\n"),
    Broken(_ALIKE, "one of two changed", "ARG PORT=8000", "ARG PORT=9000"),
)
