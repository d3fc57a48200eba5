"""The gateway: one OpenAI-compatible door to all models, with keys, limits, budgets and metrics.

`python -m sophia_infra.inference.gateway` runs it; `running.Gateway` puts it together.
"""
