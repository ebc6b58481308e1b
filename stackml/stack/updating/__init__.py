"""A fitted stack takes up new rows, in the way that predicts them best."""
