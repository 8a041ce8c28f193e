"""Metrics of agreement: one pure function a file, over plain numpy arrays.

Some register under the name of a score (`segdata.agreement.plugin.metric`), so all are imported with the package.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
