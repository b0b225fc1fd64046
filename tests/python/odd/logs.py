"""A worker that has set up its logging by itself."""

import logging

from poold.worker import logs

_handler = logging.StreamHandler()
_handler.addFilter(logs.Fields())
_handler.setFormatter(logging.Formatter("own %(message)s request=%(request)s"))
logging.getLogger().addHandler(_handler)


def say(text: str) -> None:
    logging.warning(text)
