"""Images of a clinic, DICOM or NIfTI, and the BIDS dataset that a table makes of them."""
