"""Songs kept and written, many at once; their beats and keys."""
