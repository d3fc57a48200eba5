"""The table of operation x fault x moment in docs/faults.md: what proves each cell, and how often."""
