"""The engine room: all that knows how Pydra works inside, beside :mod:`gliomorph.interfaces.task`.

Pydra 1.0a12 has faults that are worked around here. Where that is done, the code names a test of
``tests/workflows/engine/test_pydra_contracts.py``, which shows the fault in plain Pydra and fails when it is mended:
then the code can go. ``docs/engine.md`` lists them all.
"""
