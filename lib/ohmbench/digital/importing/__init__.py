"""Import of other people's quantised networks, with a proof that the import is exact.

Reading order: ``source`` (what a reader returns); ``onnx_file`` (a checked file), ``float_steps``
and ``float_sums`` (single-precision arithmetic), ``onnx_values`` and ``onnx_graph`` (symbolic
evaluation), the operations (``onnx_constants``, ``onnx_operations``, ``qonnx``, ``qdq``),
``onnx_reader``; ``tflite_file``, ``tflite``; ``reachable`` (the sums that inputs can reach),
``crossings`` (where steps cross their levels), ``fitting`` (the integers' step functions),
``proof`` and ``classes`` (do they equal the source's?), ``verdict`` (what the proof says),
``imported`` (all of it in one call); ``runtimes`` (the formats' own runtimes).
"""
