"""Every criterion of the plan by its id: its promise, what proves it, and what this stack shows of it now."""
