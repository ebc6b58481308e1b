"""Fitted models from elsewhere, as stacks and as learners of a stack."""
