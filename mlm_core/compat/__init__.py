"""Differences between the versions of a library: one module or two for each library.

Every entry gives its reason, and the version from which it is no longer needed.
"""
