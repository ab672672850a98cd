"""Files of every kind: images, transforms, label maps, tables, sidecars."""
