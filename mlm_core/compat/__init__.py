"""Where versions of a library differ: one module for each, its differences with their reasons.

An entry says until when it is needed.
"""
