"""Import of other people's quantised networks, with a proof that the import is exact.

Reading order: ``source`` (what a reader returns), the readers (``onnx_file``, ``onnx_graph``,
``qonnx``, ``qdq``; ``tflite_file``, ``tflite``), ``fitting`` (the integers' step functions),
``proof`` (do they equal the source's?), ``runtimes`` (the formats' own runtimes).
"""
