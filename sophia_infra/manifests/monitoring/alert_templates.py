"""What a message says, in Alertmanager's template language: what, how many dollars, and where to read on.

The dollars stand in the summaries: each rule about money puts its figures there.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TEMPLATE_FILE", "TEMPLATE_TEXT"]

TEMPLATE_FILE: Final = "sophia.tmpl"

TEMPLATE_TEXT: Final = """\
{{ define "sophia.title" -}}
{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}{{ else }}RESOLVED{{ end }}: \
{{ .CommonLabels.alertname }}\
{{ with .CommonLabels.service }} of {{ . }}{{ end }}\
{{ with .CommonLabels.node }} on {{ . }}{{ end }}\
{{ if gt (len .Alerts) 1 }} ({{ len .Alerts }}){{ end }}
{{- end }}

{{ define "sophia.text" -}}
{{ range .Alerts -}}
{{ if eq .Status "resolved" }}(resolved) {{ end }}{{ .Annotations.summary }}
{{ with .Annotations.description }}{{ . }}
{{ end }}{{ with .Annotations.runbook_url }}Runbook: {{ . }}
{{ end }}
{{ end -}}
{{ with .CommonLabels.owner }}Owner: {{ . }}. {{ end }}Cluster: {{ .CommonLabels.cluster }}
{{- end }}
"""
