"""Weights of several models made into those of one: arrays in, arrays out."""
