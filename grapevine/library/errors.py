"""The errors of the library."""


class PortInUse(OSError):
    """The error that another program listens at the address."""


class NoSeed(ValueError):
    """The error that no listed seed can be dialled. Seeds that do not answer are no error."""


class Refused(RuntimeError):
    """The error of an unusable address, forbidden text or ended peer."""
