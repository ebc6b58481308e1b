"""Base learners: descriptions that can be fitted, what was fitted, and the catalog of both."""
