"""What the Python workers of the bench serve."""


def echo(payload: bytes) -> bytes:
    """The payload, as it came."""
    return payload
