"""Makers of files that a reader must refuse: each as bytes, by name.

A file that could do harm would leave ``CANARY`` in the folder it is read in; the tests look for it.
"""

CANARY = "canary"
