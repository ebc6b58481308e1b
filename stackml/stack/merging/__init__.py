"""Several fitted stacks, or the fold models of one, become one model a learner."""
