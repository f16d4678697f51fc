"""From a float MLP to an integer network: reading, calibration, judging, fine-tuning.

Reading order: ``float_models`` (the float MLP, and how blocks of a file become one), the readers
(``state_dict`` for PyTorch, ``onnx_mlp`` for ONNX, ``reading`` chooses), ``scales`` (the formulas),
``calibration`` (``quantize``), ``samples`` (data), ``judging`` (what was lost), ``results`` (all of
it for a file). ``fake_quant`` (training N layers in any formats), ``fake_mlp`` (in those of
``scales``) and ``tuning`` (``ohmbench train --from``) follow.
"""
