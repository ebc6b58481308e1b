"""How learners read a table: scales, levels, target and frequency codes, dense and ordinal views."""
