"""The kernels as compiled extensions: see `segdata.core.kernels`, which loads them."""
