"""sophia-infra: one typed file per stack becomes a running, budgeted GPU platform on Lambda Cloud."""
