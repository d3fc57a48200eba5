"""Training runs: N machines in one region, all or none, ended at a limit in dollars and hours. No pulumi."""
