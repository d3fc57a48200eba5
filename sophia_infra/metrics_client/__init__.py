"""Figures of running services over HTTP: Prometheus, and pages of metrics."""
