"""Where versions of a library differ: one module for each, its differences with their reasons.

An entry says which versions need it, so that it can go when they do.
"""
