"""The tests, in the same folders as what they test; what they are made with is in tools/."""
