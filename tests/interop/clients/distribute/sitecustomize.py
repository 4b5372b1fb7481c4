"""Stands in for the bootstrap of `distribute` while packages are built.

The setup.py of rapidsms-tropo 0.2.0 begins with `distribute_setup.use_setuptools()`, which downloads `distribute`, a fork
of setuptools that went back into it in 2013. The setuptools that is there does all that it asks for.
"""

import sys
import types

bootstrap = types.ModuleType("distribute_setup")
bootstrap.use_setuptools = lambda: None
sys.modules["distribute_setup"] = bootstrap
