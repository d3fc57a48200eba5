"""The fleet and its dollars as metrics, read from the Lambda Cloud API by one list at a time."""
