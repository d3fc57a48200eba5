"""Forecaster and node scaler as processes of a cluster: `python -m sophia_infra.scaling.serving`."""
