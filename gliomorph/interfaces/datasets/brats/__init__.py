"""BraTS folders, and the BIDS dataset made of them."""
