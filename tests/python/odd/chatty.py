"""A module that prints when it is imported."""

print("imported")


def echo(value: object) -> object:
    return value
