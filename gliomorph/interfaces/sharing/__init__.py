"""A copy of derivatives that may leave home: new names, brains alone, nothing that says who somebody is."""
