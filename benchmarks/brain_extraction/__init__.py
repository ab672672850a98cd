"""Brain extraction of real heads with tumours, of healthy heads and of painted ones, tool beside tool.

    python -m benchmarks.brain_extraction OUT [--data DIR] [--tools shipped hd-bet synthstrip] [--heads NAME …]

``DIR`` (default: ``real`` in the folder that GLIOMORPH_SHARED_DATA names) holds

- ``heads-native``: a BIDS dataset of whole heads with tumours, T1w, T1w with contrast agent and FLAIR on one grid, with
  expert outlines in ``derivatives/masks``;
- ``healthy``: a BIDS dataset; its whole heads are ``sub-head*``;
- ``anatomies``: label maps of whole heads (``*_dseg.nii.gz``, FreeSurfer's numbers inside the brain), which are painted
  here with a contrast, bias field and noise of their own; the brain is theirs, sulci included.

Each is optional. What must hold: no failure; 900 to 2000 ml; of the expert's tumour 98 % in the mask on average and
90 % in every head; masks of a head's three sequences agree, Dice 0.95 or more; Dice 0.96 or more with the labels'
brain; 15 s and 2 GB on two cores at 1 mm.

``OUT/extraction.tsv`` has a row a tool and image, ``OUT/agreement.tsv`` one a tool and pair of sequences,
``OUT/extraction.md`` the bars, ``OUT/worst_*.png`` the ten images of each tool with most left out, wrong or
contradicted. Resumable: masks that are there are kept.
"""
