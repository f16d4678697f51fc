"""Tests that run inside a simulator, and what they are made of.

``tb`` (drivers, monitors, scoreboard), ``core_tb`` and ``axi_tb`` (one testbench a top module),
``scenarios`` (what both must do); ``core_*`` and ``axi_*`` are the tests, ``faulty`` those that
must fail. Started by ``test_accelerator.py`` and ``test_accelerator_axi.py``.
"""
