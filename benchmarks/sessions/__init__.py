"""Two sessions of a patient joined directly and through the template, against landmarks with known partners.

    python -m benchmarks.sessions OUT --maps DIR [--subjects 01 02 …] [--seed 1] [--resolution 1] [--template MNI152]
        [--methods greedy-cfm syn-cfm metamorphosis]

paints both sessions of each patient from the label map of one head (``DIR/*-01_dseg.nii.gz``, FreeSurfer's numbers). In
turn, from patient to patient, the tumour grows and pushes more, or its core becomes a cavity, what it pushed away comes
back in part and the brain around sinks; the rest of the brain moves by a millimetre or so, too. The second scan has
another contrast, bias, noise, voxel size and tilt, and the head lies elsewhere. Landmarks lie at random places of the
brain outside both lesions; their partners follow from the known maps.

``gliomorph`` registers every scan to the template, ``gliomorph-register`` the second session to the first, rigidly and
by every method, each with the true masks; ``gliomorph-evaluate landmarks`` measures both ways: ``OUT/landmarks.tsv``,
``landmarks_points.tsv`` and ``landmarks_summary`` (.tsv, .md, .png). ``OUT/sessions.md`` says what direct registration
gains. Resumable: what is there is kept.
"""
