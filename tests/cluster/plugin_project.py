"""A Pulumi program of plain rows on the real engine, with our Kubernetes plugin and the test's API server.

A row is one resource. Its properties may hold `{"$output": [name, key, ...]}`, an output of an earlier row,
and `{"$secret": value}`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import UpdateFailed
from sophia_infra.engine.events import Event, ResourcePlanned, Step
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.kubernetes_plugin import ensure_kubernetes_plugin
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.run import OperationOptions, OperationResult, Verb, run_operation
from sophia_infra.engine.stack_file import prepare_stack
from sophia_infra.engine.stacks import ensure_stack, export_stack, stack_outputs
from tests.cluster.plane import Plane

STACK = "local"

_PROGRAM = """\
import json
import pathlib
import pulumi
from pulumi_kubernetes import Provider

made = {}

def value(item):
    if isinstance(item, dict):
        if "$secret" in item:
            return pulumi.Output.secret(value(item["$secret"]))
        if "$output" in item:
            name, *keys = item["$output"]
            output = made[name].id if keys == ["id"] else made[name].seen[keys.pop(0)]
            def pick(found):
                for key in keys:
                    found = found[key]
                return found
            return output.apply(pick)
        return {key: value(one) for key, one in item.items()}
    return [value(one) for one in item] if isinstance(item, list) else item

class Row(pulumi.CustomResource):
    def __init__(self, row, opts):
        outputs = {"metadata": None, "status": None, "spec": None, "data": None, "resourceNames": None}
        super().__init__(row["type"], row["name"], {**outputs, **value(row["inputs"])}, opts)
        self.seen = {key: getattr(self, key, None) for key in outputs}

    metadata = property(lambda self: pulumi.get(self, "metadata"))
    status = property(lambda self: pulumi.get(self, "status"))
    spec = property(lambda self: pulumi.get(self, "spec"))
    data = property(lambda self: pulumi.get(self, "data"))
    resourceNames = property(lambda self: pulumi.get(self, "resourceNames"))

rows = json.loads(pathlib.Path("rows.json").read_text())
arguments = rows["provider"]
if "kubeconfig" in arguments:
    arguments["kubeconfig"] = pulumi.Output.secret(arguments["kubeconfig"])
provider = Provider("cluster", **arguments)
for row in rows["rows"]:
    opts = pulumi.ResourceOptions(provider=provider, depends_on=[made[name] for name in row["after"]],
                                  import_=row["import_"], protect=False,
                                  custom_timeouts=pulumi.CustomTimeouts(**row["timeouts"]))
    made[row["name"]] = Row(row, opts)
for key, path in rows["outputs"].items():
    pulumi.export(key, value({"$output": path}))
"""


def row(
    type_: str,
    name: str,
    inputs: Mapping[str, Any],
    *,
    after: Sequence[str] = (),
    import_: str | None = None,
    timeout: str | None = None,
) -> dict[str, Any]:
    """One resource of type `kubernetes:<type_>`. `timeout` ("2s") counts for create, update and delete."""
    timeouts = dict.fromkeys(("create", "update", "delete"), timeout) if timeout else {}
    return {
        "type": f"kubernetes:{type_}",
        "name": name,
        "inputs": dict(inputs),
        "after": list(after),
        "import_": import_,
        "timeouts": timeouts,
    }


@dataclass
class PluginProject:
    """One stack. `write` sets the program, `up` and the others run the engine."""

    root: Path
    home: Home
    engine: Engine
    plane: Plane
    environment: dict[str, str] = field(default_factory=dict)

    def write(
        self,
        *rows: Mapping[str, Any],
        provider: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Write the program; `provider` defaults to one with the administrator's kubeconfig."""
        arguments = dict(provider) if provider is not None else self.arguments()
        document = {"provider": arguments, "rows": rows, "outputs": dict(outputs or {})}
        (self.root / "rows.json").write_text(json.dumps(document), encoding="utf-8")

    def arguments(self, **further: Any) -> dict[str, Any]:
        """Arguments of a provider for the test's API server."""
        return {"kubeconfig": self.plane.kubeconfig.read_text(encoding="utf-8"), **further}

    def run(
        self,
        verb: Verb,
        options: OperationOptions | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> OperationResult:
        stack = ensure_stack(self.engine, prepare_stack(STACK, self.home), self.home)
        return run_operation(
            self.engine,
            verb,
            stack,
            self.home,
            options=options,
            on_event=on_event,
            cancellation=cancellation,
            extra_environment=self.environment,
        )

    def up(self, **options: Any) -> OperationResult:
        return self.run("up", OperationOptions(**options))

    def preview(self) -> list[Step]:
        """The steps that an update would take, the stack and its provider left out."""
        return self.steps("preview")

    def steps(self, verb: Verb, **options: Any) -> list[Step]:
        seen: list[Event] = []
        self.run(verb, OperationOptions(**options), on_event=seen.append)
        return [
            event.step
            for event in seen
            if isinstance(event, ResourcePlanned) and not event.step.is_bookkeeping
        ]

    def destroy(self) -> OperationResult:
        return self.run("destroy")

    def refused(self, verb: Verb = "up", **options: Any) -> str:
        """Run and expect an error; all that the engine said about it."""
        try:
            self.run(verb, OperationOptions(**options))
        except UpdateFailed as failed:
            text = "\n".join(row.message for row in failed.diagnostics if row.severity == "error")
            assert "Traceback" not in text
            return text
        raise AssertionError(f"{verb} was not refused")

    def outputs(self) -> dict[str, Any]:
        return stack_outputs(self.engine, STACK, self.home)

    def resources(self) -> dict[str, dict[str, Any]]:
        """Rows of the state by name; secrets encrypted."""
        rows = export_stack(self.engine, STACK, self.home)["deployment"].get("resources", ())
        return {item["urn"].rsplit("::", 1)[-1]: item for item in rows}


def make_plugin_project(root: Path, engine: Engine, plane: Plane) -> PluginProject:
    """An empty stack in `root`, with the stand-in installed."""
    root.mkdir(parents=True, exist_ok=True)
    project = {"name": "plugin-test", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (root / "Pulumi.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
    (root / f"Pulumi.{STACK}.yaml").write_text("config: {}\n", encoding="utf-8")
    (root / "__main__.py").write_text(_PROGRAM, encoding="utf-8")
    home = open_home(checkout=root, environ={"SOPHIA_HOME": str(root / "home")})
    ensure_kubernetes_plugin(engine, home, {"SOPHIA_KUBERNETES_PLUGIN": "stand-in"})
    environment = {"SOPHIA_HELM": str(plane.tools.directory / "helm")}
    return PluginProject(root, home, engine, plane, environment)
