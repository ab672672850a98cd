"""Jobs of Slurm: commands, the folder that jobs share, the job, the worker."""
