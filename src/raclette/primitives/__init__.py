"""Hashes, keys, signatures, codecs, units, seeded randomness, errors. Pure; knows no other room."""
