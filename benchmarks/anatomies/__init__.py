"""Every registration method on people's own anatomies, painted from label maps of their heads.

    python -m benchmarks.anatomies OUT --maps DIR [--subjects 07 08 …] [--seed 5] [--resolution 1] [--template SRI24]
        [--methods …] [--registration-weights FILE …] [--refine 0 60] [--variant "METHOD, NAME: OPTIONS" …]
        [--against METHOD]

paints each label map (``*_dseg.nii.gz``, FreeSurfer's numbers) as a skull-stripped T1w with a contrast, texture, bias
field and noise of its own, on a turned and shifted grid, with a tumour that pushes the tissue around it in about half
of the people. ``gliomorph`` registers them all with every method, by the true masks; then the thirteen structures of
every person are carried to the template by the written transforms, and compared between people, pair by pair, outside
both tumours. Learned methods run as ``gliomorph`` runs them, or once for each number of iterations after ``--refine``
(0: the network alone); ``--variant`` runs a method once more with further options, such as
``"metamorph-r, network alone: --refine 0"`` beside the refined one. The brain's outline, folds, the error of the
inverse, seconds and memory are those of the records.

Sulci, ventricles and atrophy are the people's, not a template's, bent: what is aligned here is anatomy. By convention
methods are tuned on 01 to 06 and reported on 07 to 14.

``OUT/pairs.tsv`` has a row a pair and method, ``OUT/anatomies.tsv`` one a person and method, ``OUT/anatomies.md`` means
(sd) and paired tests, ``OUT/anatomies_*.png`` box plots, ``OUT/mean_*.png`` the mean of the warped images and
``OUT/first_*.png`` the first person's of each method. Resumable: what is there is kept.
"""
