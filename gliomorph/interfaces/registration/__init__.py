"""Registration methods on images of one grid."""
