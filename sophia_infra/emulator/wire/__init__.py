"""HTTP over the account: routing, parsing, checking, serialising. Decides nothing about the account."""
