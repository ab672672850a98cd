"""Run a command by dask workers that are jobs of a cluster: PBS, LSF, SGE, Slurm and others (dask-jobqueue).

    pip install dask-jobqueue
    python dask_jobs.py pbs --jobs 20 --memory 4GB --walltime 04:00:00 -- \\
      gliomorph BIDS OUT participant group --worker dask --omp-nthreads 1

The address of their scheduler is added to the command. ``--directive`` adds lines for your cluster, such as
``--directive='-q long'``. Start it where jobs can be submitted, and on a machine that they can reach.
"""

import argparse
import subprocess
import sys

import dask_jobqueue

CLUSTERS = {
    "htcondor": dask_jobqueue.HTCondorCluster,
    "lsf": dask_jobqueue.LSFCluster,
    "oar": dask_jobqueue.OARCluster,
    "pbs": dask_jobqueue.PBSCluster,
    "sge": dask_jobqueue.SGECluster,
    "slurm": dask_jobqueue.SLURMCluster,
}


def main() -> int:
    """Start the jobs, run the command, end the jobs; the exit code is the command's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cluster", choices=CLUSTERS)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--walltime", help="as your cluster writes it")
    parser.add_argument("--directive", action="append", default=[])
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args, command = parser.parse_args(words[:end]), words[end + 1 :]
    if not command:
        parser.error("a command is required, after --")
    more = {"walltime": args.walltime} if args.walltime else {}
    with CLUSTERS[args.cluster](
        cores=1,  # one thread: a stage works in a folder of its own
        processes=1,
        memory=args.memory,
        job_extra_directives=args.directive,
        python=sys.executable,
        **more,
    ) as cluster:
        cluster.scale(jobs=args.jobs)
        return subprocess.run(
            [*command, "--dask-scheduler", cluster.scheduler_address], check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
