"""The first process of a sandbox: says that it is there, and reaps orphans until it is killed.

With its end the kernel ends every process of its PID namespace. Run as a script, without the
packages of this project: it needs nothing but the interpreter.
"""

import os
import signal


def reap() -> None:
    """Collect every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    print("ready", flush=True)
    while True:
        signal.sigwait({signal.SIGCHLD})
        reap()
