"""Reading in a process of its own: a package that crashes, hangs or takes all memory in native code ends that one.

Both ends are here. The reader is a file that imports neither pnp nor torch, with a generator ``pieces(**arguments)`` of
facts and arrays; the other process runs this file as a script, which sends them as JSON and plain bytes. Nothing is
unpickled.
"""

import json
import math
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["apart"]

_HEAD, _LONGEST = 8, 2**20  # bytes of a length; of a piece's description


def apart(
    reader: str | Path, arguments: dict[str, Any], *, memory: int, silence: float, most: int
) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """The pieces of ``reader``, run in a process of its own.

    Args:
        memory: bytes of address space that it may take. silence: seconds that a piece may take.
        most: bytes of all arrays together.

    Raises:
        ValueError: the reader raised, crashed, fell silent, or gives more than ``most``.
    """
    told = json.dumps([str(reader), memory, arguments])
    paths = os.pathsep.join(p for p in sys.path if p)  # packages come from where this process finds them
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, told], bufsize=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        while True:
            length = int.from_bytes(_received(process, _HEAD, silence), "big")
            if not length:
                return
            if length > _LONGEST:
                raise ValueError("its reader sent what is no description of a piece")
            piece = json.loads(bytes(_received(process, length, silence)))
            if "error" in piece:
                raise ValueError(piece["error"])
            arrays = {}
            for name, kind, shape in piece["arrays"]:
                dtype = np.dtype(kind)
                most -= dtype.itemsize * math.prod(shape)
                if dtype.hasobject or min(shape, default=0) < 0 or most < 0:
                    raise ValueError("declares more values than files of its size can hold")
                arrays[name] = _received(process, dtype.itemsize * math.prod(shape), silence).view(dtype).reshape(shape)
            yield piece["facts"], arrays
    except EOFError:
        raise ValueError(_ended(process.wait(silence), memory)) from None
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _received(process: Any, count: int, silence: float) -> np.ndarray:
    """The next bytes of a process.

    Raises:
        EOFError: it has ended. ValueError: it sends nothing for too long.
    """
    found = np.empty(count, np.uint8)
    rest: Any = found.data
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while rest.nbytes:
            if not waiting.select(silence):
                raise ValueError(f"its reader said nothing for {silence:.0f} seconds")
            read = process.stdout.readinto(rest)
            if not read:
                raise EOFError
            rest = rest[read:]
    return found


def _ended(status: int, memory: int) -> str:
    how = f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
    return f"the package that reads it ended {how}: it is broken, or needs more than {memory / 2**30:.1f} GiB"


def _main() -> None:
    """The other end: limits first, then the reader; what native code prints goes nowhere."""
    import resource
    import runpy

    reader, memory, arguments = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory if hard < 0 else min(memory, hard), hard))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(nowhere, 1)
        try:
            for facts, arrays in runpy.run_path(reader)["pieces"](**arguments):
                solid = {name: np.asarray(values, order="C") for name, values in arrays.items()}
                listed = [(name, values.dtype.str, values.shape) for name, values in solid.items()]
                _send(out, {"facts": facts, "arrays": listed})
                for values in solid.values():
                    out.write(values.reshape(-1).view(np.uint8).data)
        except MemoryError:
            _send(out, {"error": f"needs more than {memory / 2**30:.1f} GiB of memory to be read: it is broken"})
        except Exception as error:  # readers of broken files raise anything
            _send(out, {"error": " ".join(str(error).split())[:2000] or type(error).__name__})
        else:
            out.write(bytes(_HEAD))
        out.flush()
        os._exit(0)  # a package that is torn may fall at its end


def _send(out: Any, piece: dict[str, Any]) -> None:
    text = json.dumps(piece).encode()
    out.write(len(text).to_bytes(_HEAD, "big") + text)


if __name__ == "__main__":
    _main()
