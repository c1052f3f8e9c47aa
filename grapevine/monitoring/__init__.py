"""Malicious peers, `--monitor`: README.md says how they are found out, and what that cannot do."""
