"""An automatic campaign of faults: what gliomorph does with spoilt inputs, full disks and killed processes.

    python -m benchmarks.faults OUT [--faults 294] [--seed 1] [--kinds WORD …] [--jobs 1] [--minutes M]

A small cohort is run once to the end. Then, round by round, faults are injected into a copy of it: one in every
subject where they concern single scans, else one in the whole run. After each, outputs are looked at; then the fault is
undone, the same command is given again, and its outputs are compared, byte by byte, with those of the undisturbed run.

What has to hold, after every fault: no valid output is lost or altered; every file at a final name is whole; every
failure is in the summary with its cause; the exit code is right; nothing is written outside the output and the work
folder; no name or text becomes a path or a piece of HTML; no pickle is loaded; and the next run completes.

Rounds that held are kept in OUT/rounds.jsonl and not played again; remove OUT to play all of them. Exit code 1:
something did not hold.
"""
