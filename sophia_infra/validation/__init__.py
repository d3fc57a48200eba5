"""Every criterion of the migration plan: what it demands, what was measured, and what can be shown here."""
