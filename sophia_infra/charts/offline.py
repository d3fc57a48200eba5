"""Small charts of our own that stand for the pinned ones where nothing can be downloaded and nothing runs.

Such a chart has the pinned name and version, takes any values, installs our short definitions of the chart's
custom resources and one ConfigMap, `<release>-offline`, that shows the values it was given. It starts no
controller: objects of the custom kinds are accepted, stored and left alone.

The definitions stand among the templates and not in Helm's `crds/` folder, which is read once, never
upgraded and never deleted. So an upgrade changes them, and uninstalling takes them and every object of
their kinds away: right for a cluster of tests, and the reason why this is no way to install the product.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from sophia_infra.charts.definitions import custom_resource_definitions
from sophia_infra.charts.files import write_if_changed
from sophia_infra.charts.pins import Chart, find_chart

__all__ = ["OFFLINE_SUFFIX", "offline_chart_files", "write_offline_chart"]

OFFLINE_SUFFIX = "-offline"
"""Release name plus this is the name of the ConfigMap."""

# Values are shown by Helm's templates, which know nothing of what Pulumi keeps secret: by name and shape.
_HIDDEN_NAMES = (
    "(?i)(secret|token$|token[^s]|passw|passphrase|credential|api_?key|private|user_data$|^auth$|cert$|^ca$)"
)
_HIDDEN_SHAPES = (
    "(?s)(PRIVATE KEY|secret_[0-9A-Za-z_-]*[0-9a-f]{16}|pul-[0-9a-f]{16}"
    "|(gh[opsur]|github_pat|glpat|hf|xox[a-z])[_-][0-9A-Za-z_]{8}|sk-[0-9A-Za-z_-]{12}|AKIA[0-9A-Z]{12}"
    "|eyJ[0-9A-Za-z_-]{8,}[.]|://[^/ @]*:[^/ @]*@|[A-Za-z0-9+/_=.~-]{40})"
)
_FILE_PATH = "^(/[A-Za-z0-9._-]{1,24}){2,}$"
"""Long, but no secret."""

_TEMPLATE = """\
{{- /* A map or list with everything hidden that may be a secret; takes and gives {"at": ...}. */ -}}
{{- define "offline.shown" -}}
{{- $at := .at -}}
{{- if kindIs "map" $at -}}
{{- $shown := dict -}}
{{- $named := regexMatch %(names)s (toString (get $at "name")) -}}
{{- range $key, $value := $at -}}
{{- if and (regexMatch %(names)s $key) (not (kindIs "bool" $value)) -}}
{{- $_ := set $shown $key "(hidden)" -}}
{{- else if and $named (eq $key "value") -}}
{{- $_ := set $shown $key "(hidden)" -}}
{{- else -}}
{{- $_ := set $shown $key (get (include "offline.shown" (dict "at" $value) | fromJson) "at") -}}
{{- end -}}
{{- end -}}
{{- dict "at" $shown | toJson -}}
{{- else if kindIs "slice" $at -}}
{{- $shown := list -}}
{{- range $value := $at -}}
{{- $shown = append $shown (get (include "offline.shown" (dict "at" $value) | fromJson) "at") -}}
{{- end -}}
{{- dict "at" $shown | toJson -}}
{{- else if and (kindIs "string" $at) (regexMatch %(shapes)s $at) (not (regexMatch %(path)s $at)) -}}
{{- dict "at" "(hidden)" | toJson -}}
{{- else -}}
{{- dict "at" $at | toJson -}}
{{- end -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ printf "%%s%(suffix)s" .Release.Name | quote }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    app.kubernetes.io/name: {{ .Chart.Name | quote }}
    app.kubernetes.io/instance: {{ .Release.Name | quote }}
data:
  chart: {{ printf "%%s %%s" .Chart.Name .Chart.Version | quote }}
  note: "Stands for the chart of the same name. Definitions only: no controller of it runs in this cluster."
  values: {{ get (include "offline.shown" (dict "at" .Values) | fromJson) "at" | toYaml | quote }}
"""

_NOTES = """\
{{ .Chart.Name }} {{ .Chart.Version }} is installed as its offline stand-in: definitions only.
No controller of it runs here. ConfigMap {{ .Release.Name }}%(suffix)s shows the values that were given.
"""


def write_offline_chart(chart: str | Chart, folder: Path) -> Path:
    """Write the stand-in of a pinned chart below `folder` and return its own folder, which Helm takes.

    The same chart gives the same bytes; files that are right already are not touched, and each file appears
    whole, so that two processes may write the same chart.

    Raises:
        UnknownChart: no chart of this name is pinned.
        OSError: the folder cannot be written.
    """
    pinned = find_chart(chart) if isinstance(chart, str) else chart
    root = folder / f"{pinned.name}-{pinned.version}" / pinned.name
    for name, text in offline_chart_files(pinned).items():
        write_if_changed(root / name, text)
    return root


def offline_chart_files(chart: Chart) -> dict[str, str]:
    """Path inside the chart -> text, of the whole stand-in."""
    words = {
        "names": json.dumps(_HIDDEN_NAMES),
        "shapes": json.dumps(_HIDDEN_SHAPES),
        "path": json.dumps(_FILE_PATH),
        "suffix": OFFLINE_SUFFIX,
    }
    files = {
        "Chart.yaml": _yaml(_chart_yaml(chart)),
        "values.yaml": "{}\n",
        "templates/offline.yaml": _TEMPLATE % words,
        "templates/NOTES.txt": _NOTES % words,
    }
    definitions = custom_resource_definitions(chart=chart.name)
    if definitions:
        # JSON is YAML too, written in a hundredth of the time.
        files["templates/definitions.yaml"] = "---\n".join(
            json.dumps(definition, separators=(",", ":"), sort_keys=True) + "\n" for definition in definitions
        )
    return files


def _chart_yaml(chart: Chart) -> dict[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": "v2",
        "name": chart.name,
        "version": chart.version,
        "type": "application",
        "description": f"Offline stand-in for {chart.name} {chart.version}: definitions, no controller",
        "annotations": {"sophia.internal/stands-for": chart.source},
    }
    if chart.app_version:
        body["appVersion"] = chart.app_version
    return body


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=True, allow_unicode=True, width=120)
