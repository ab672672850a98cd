"""The C-shapes of the thesis (§5.3, Table 5.2): pairs whose true deformation is known."""
