"""What is measured, what is an alarm, what is shown: pure functions from the typed model to plain data."""
