"""Every registration method against the known truth of simulated patients, and against their twins without a tumour.

    python -m benchmarks.registration_study OUT [--subjects 6] [--seed 11] [--resolution 2] [--template MNI152]
        [--methods …] [--registration-weights FILE …] [--refine 0 30] [--variant "METHOD, NAME: OPTIONS" …]
        [--twins METHOD …] [--against METHOD]

simulates a cohort, runs ``gliomorph`` on it with every method, and measures: target registration error (TRE) outside
the tumour and within 10 mm of it, overlap of ventricles and tumour, folds, the error of the inverse, det J in the
tumour beside the true one, time, CPU time and memory. Every patient has a twin, in whom the tumour pushes but healthy
tissue shows in its place: the methods of ``--twins`` register it with an empty tumour mask, and the distance between
both maps outside the tumour tells how far shape and appearance stay apart.

Learned methods run as ``gliomorph`` runs them, or once for each number of iterations after ``--refine`` (0: the network
alone), each in an output folder of its own; ``--variant`` runs a method once more with further options, such as
``"metamorph-r, network alone: --refine 0"``; its twin has the variant's seed, network, iterations and speed.
``OUT/study.tsv`` has a row a patient and method, ``OUT/study.md`` means (sd) and paired tests, ``OUT/study_*.png`` box
plots. Resumable: what is there is kept.
"""
