# All images that are built from docker/Dockerfile. Always together with the lock of base images:
#   docker buildx bake -f docker-bake.hcl -f docker/images.lock.json --print
# docs/images.md says more.

variable "REGISTRY" {
  description = "Where images go, with a slash at its end. Empty: names as in workloads.yaml."
  default     = ""
}

variable "VERSION" {
  description = "Tag of every image."
  default     = "1.0.0"
}

variable "SERVICES" {
  description = "Folder that holds one folder per service."
  default     = "services"
}

variable "ALLOW_UNLOCKED" {
  description = "true builds from tags where there is no digest: for a trial, never for a release."
  default     = false
}

# "pattern did not match" here means: the lock has no digest. Run `sophia images lock` where a registry answers.
function "reference" {
  params = [image]
  result = ALLOW_UNLOCKED && image.digest == null ? image.tag : "${image.tag}@${regex("sha256:[0-9a-f]{64}", coalesce(image.digest, "none: run sophia images lock"))}"
}

group "default" {
  targets = ["inference-gateway", "sophia-exporter", "sophia-scaler"]
}

group "all" {
  targets = ["inference-gateway", "sophia-exporter", "sophia-scaler", "services", "gpu-services"]
}

target "_recipe" {
  context    = "."
  dockerfile = "docker/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  args = {
    PYTHON_IMAGE  = reference(images.python)
    RUNTIME_IMAGE = reference(images.runtime)
    CUDA_IMAGE    = reference(images.cuda)
  }
  labels = {
    "org.opencontainers.image.version" = VERSION
  }
}

target "inference-gateway" {
  inherits = ["_recipe"]
  target   = "production"
  args     = { KIND = "gateway", MODULE = "sophia_infra.inference.gateway", PORT = 8086 }
  tags     = ["${REGISTRY}sophia/inference-gateway:${VERSION}"]
}

# It listens on loopback unless the container's arguments say --listen 0.0.0.0:9105.
target "sophia-exporter" {
  inherits = ["_recipe"]
  target   = "production"
  args     = { KIND = "exporter", MODULE = "sophia_infra.exporter", PORT = 9105 }
  tags     = ["${REGISTRY}sophia/exporter:${VERSION}"]
}

# Forecaster and node scaler: the container's first argument says which. On loopback too, unless told otherwise.
target "sophia-scaler" {
  inherits = ["_recipe"]
  target   = "production"
  args     = { KIND = "scaler", MODULE = "sophia_infra.scaling.serving", PORT = 9106 }
  tags     = ["${REGISTRY}sophia/scaler:${VERSION}"]
}

# MCP servers, their gateway, and the backend. `image` is the name in workloads.yaml.
target "services" {
  name     = service.name
  inherits = ["_recipe"]
  target   = "production"
  matrix = {
    service = [
      { name = "sophia-backend", image = "backend", module = "sophia_backend", port = 8000 },
      { name = "mcp-ai-memory", image = "mcp-ai-memory", module = "mcp_ai_memory", port = 9000 },
      { name = "mcp-gong", image = "mcp-gong", module = "mcp_gong", port = 9001 },
      { name = "mcp-snowflake", image = "mcp-snowflake", module = "mcp_snowflake", port = 9002 },
      { name = "mcp-slack", image = "mcp-slack", module = "mcp_slack", port = 9003 },
      { name = "mcp-linear", image = "mcp-linear", module = "mcp_linear", port = 9004 },
      { name = "mcp-github", image = "mcp-github", module = "mcp_github", port = 9005 },
      { name = "mcp-codacy", image = "mcp-codacy", module = "mcp_codacy", port = 9006 },
      { name = "mcp-asana", image = "mcp-asana", module = "mcp_asana", port = 9007 },
      { name = "mcp-gateway", image = "mcp-gateway", module = "mcp_gateway", port = 8000 },
      { name = "lambda-labs-mcp", image = "lambda-labs-mcp", module = "lambda_labs_mcp", port = 9025 },
    ]
  }
  contexts = { service = "${SERVICES}/${service.name}" }
  args     = { MODULE = service.module, PORT = service.port }
  tags     = ["${REGISTRY}sophia/${service.image}:${VERSION}"]
}

# The same recipe on CUDA.
target "gpu-services" {
  name     = service.name
  inherits = ["_recipe"]
  target   = "gpu-runtime"
  matrix = {
    service = [
      { name = "sophia-ai-core", image = "ai-core", module = "sophia_ai_core", port = 8000 },
      { name = "sophia-data-pipeline", image = "data-pipeline", module = "sophia_data_pipeline", port = 8085 },
    ]
  }
  contexts = { service = "${SERVICES}/${service.name}" }
  args     = { MODULE = service.module, PORT = service.port }
  tags     = ["${REGISTRY}sophia/${service.image}:${VERSION}"]
}
