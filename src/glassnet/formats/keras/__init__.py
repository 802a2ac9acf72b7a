"""Models of Keras 1, 2 and 3, without Keras: a JSON text that says the layers, and an HDF5 file of their weights.

``files`` finds the two in a ``.keras``, an ``.h5`` or a pair of files, ``weights`` says which arrays belong to which
layer, ``models`` follows the graph, ``layers`` is the table of what each class of layers comes to, ``activations`` that
of the activations. Nothing a file names is imported. ``live`` does the same for a model in memory, ``writing`` goes
the other way.
"""
