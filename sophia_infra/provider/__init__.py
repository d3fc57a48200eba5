"""Engine-free resource logic and the thin pulumi.dynamic adapter."""
