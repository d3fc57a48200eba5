"""Prometheus, Alertmanager, Grafana and the exporter as objects: what is scraped, judged, shown and told."""
