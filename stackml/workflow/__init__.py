"""Workflow: what a pipeline.yaml says, and training, evaluating, comparing and promoting by it.

`spec` reads the file, `training` is the main job from rows to a tracked and stored stack,
`evaluation` scores a stack on labelled rows, `comparison` puts runs side by side, `promotion`
says which version is the champion.
"""
