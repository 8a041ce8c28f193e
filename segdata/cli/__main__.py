"""`segdata` and `python -m segdata.cli`: where the process begins."""

import signal


def main() -> None:
    """Run the command of `sys.argv`, and leave with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load ends the process without a traceback
    from segdata.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
