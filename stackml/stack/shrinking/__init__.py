"""Smaller stacks: fewer learners, or one that learned what all of them say."""
