"""Who changed what, when, why and for how many dollars: append-only lines, each chained to the one before."""
