"""The plan's `cp scripts/lambda_serverless_service.py backend/services/`: the service, from the package.

`from backend.services.lambda_serverless_service import LambdaServerlessService` works after it. Lambda's own
Inference API ended on 2025-09-25; the service speaks to the gateway, or to any OpenAI-compatible endpoint.
"""

from __future__ import annotations

from sophia_infra.inference import LambdaServerlessService

__all__ = ["LambdaServerlessService"]
