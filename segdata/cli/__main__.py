"""`segdata` and `python -m segdata.cli`: where the process begins."""

import atexit
import gc
import signal


def main() -> None:
    """Run the command of `sys.argv`, and leave with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load ends the process without a traceback
    _collect_garbage_rarely()
    from segdata.cli.main import main as run

    run()


def _collect_garbage_rarely() -> None:
    """Collect garbage cycles a hundred times less often than Python does by default, from the first import on.

    Few objects here are part of a cycle, but the collector would visit every annotation again and again: a sixth of the
    processor time of validating 118,000 images.
    """
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)  # else Python searches all modules for cycles when it ends


if __name__ == "__main__":
    main()
