"""Registration of two images: metamorphosis and networks."""
