"""Fitted models put together without a meta-learner: votes, routes, cascades, unions of labels."""
