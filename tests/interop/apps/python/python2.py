"""Imports a library that was written for Python 2, as it is.

Three things keep the `tropo` of ciscotropo-webapi-python 0.1.4 from Python 3:

* it mixes tabs and spaces: to Python 2, a tab reaches to the next eighth column;
* it ends with a print statement, for whoever runs it as a program;
* it asks whether a thing is a `basestring`, which is `str` now.
"""

import importlib.util
import sys
from importlib.machinery import SourceFileLoader


class Loader(SourceFileLoader):
    """Reads a source as Python 2 did, without the part that makes it a program."""

    def source_to_code(self, data, path, *, _optimize=-1):
        source = data.decode().expandtabs(8).partition("\nif __name__ == ")[0]
        return super().source_to_code(source.encode(), path, _optimize=_optimize)


def load(name):
    """The module of that name, which must not have been imported yet."""
    loader = Loader(name, importlib.util.find_spec(name).origin)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    module.basestring = str
    sys.modules[name] = module
    loader.exec_module(module)
    return module
