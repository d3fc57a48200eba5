"""One file for each form of the tables. A released one is never changed."""
