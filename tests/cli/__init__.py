"""Tests of the command line. A package, so that its conftest is not taken for another room's."""
