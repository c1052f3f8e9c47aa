"""Virtual files: output files that are kept in memory, in a folder that the proof can read."""

import fnmatch
import io
import pathlib


class VirtualFile:
    """A file that only grows. `write` and `close` are those of an output file's raw file; `name`,
    `is_file` and `open` those of a path."""

    def __init__(self, name: str):
        self.name = name
        self.data = bytearray()

    def __lt__(self, other: "VirtualFile") -> bool:
        return self.name < other.name

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def close(self) -> None:
        """A node has ended; a later life of it may write on."""

    def is_file(self) -> bool:
        return True

    def open(self, mode: str) -> io.BytesIO:
        """Open it for reading."""
        return io.BytesIO(self.data)


class VirtualFolder:
    """Files by name; `glob` is that of a path."""

    def __init__(self):
        self._files: dict[str, VirtualFile] = {}

    def file(self, name: str) -> VirtualFile:
        """The file of this name, made if need be."""
        return self._files.setdefault(name, VirtualFile(name))

    def glob(self, pattern: str) -> list[VirtualFile]:
        return [file for name, file in self._files.items() if fnmatch.fnmatchcase(name, pattern)]

    def save(self, folder: pathlib.Path) -> None:
        """Write all files into a folder of the disk; OSError when that fails."""
        for file in self._files.values():
            (folder / file.name).write_bytes(file.data)
