"""Looks at networks from outside: the demo, and virtual time with accidents."""
