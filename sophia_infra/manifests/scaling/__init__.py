"""Forecaster and node scaler in the primary cluster, in a restricted namespace of their own."""
