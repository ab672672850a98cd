"""What a registration costs: seconds and peak memory of every method on one 3-D pair, beside ANTs' SyN.

    python -m benchmarks.registration OUT [--shape 192 192 144] [--steps 15] [--repeats 3] [--threads N]
        [--methods …] [--devices …] [--train [--width 32] [--training-shapes 64x64x48 …]]

Each repeat of each method runs in a fresh process, with the environment in which gliomorph runs its workers
(:mod:`gliomorph.environment`), on the CPU and, where torch sees one, on a CUDA device; SyN has the CPU only. The
methods take turns, so that whatever else the machine does hits all alike. Networks are untrained: their time and
memory do not depend on the weights. ``--train`` adds the memory of one training step of MetaMorph-R.

``OUT/registration.md`` has the tables, ``OUT/registration.tsv`` a row a run. Resumable: a run whose record lies in
``OUT/runs``, with the same settings and versions, is kept;
after a change of gliomorph's code take another ``OUT``.
"""
