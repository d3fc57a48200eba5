"""From one version to the next, step by step, and back by itself: canary, rollback, promotion, cutover."""
