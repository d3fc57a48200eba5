"""Postgres, Redis and Qdrant: how each is started, asked, copied and brought back."""
