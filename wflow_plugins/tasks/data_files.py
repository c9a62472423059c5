"""Where the files of a data set are: given, in ``WFLOW_DATA``, kept from before, or fetched.

pooch, of the extra ``[data]``, keeps and fetches; without it, files must be there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wflow_core.errors import DataError

VARIABLE = "WFLOW_DATA"
SECONDS = 20
"""How long a server may take to answer."""


@dataclass(frozen=True)
class Archive:
    """One ``.tar.gz`` that files come in, in a folder of that name."""

    file: str
    md5: str
    folder: str


@dataclass(frozen=True)
class DataFiles:
    """The files of one data set.

    Attributes:
        name: of the data set, and of its folder.
        url: folder that they can be fetched from, with its last slash; empty: from nowhere.
        sha256: of each file there; a file may also lie unzipped, without its ``.gz``. None where
            the archive has a checksum, and its files have none.
        archive: what they come in, if not one by one; they may also lie in its folder.
    """

    name: str
    url: str
    sha256: Mapping[str, str | None]
    archive: Archive | None = None

    def find(self, data_dir: str | None, download: bool) -> dict[str, Path]:
        """The path of each file, all from the first place that holds them.

        Raises:
            DataError: no place holds them all; names the places, what they lack, and the fixes.
        """
        paths, tried = self._seek(data_dir)
        if paths is None and data_dir is None:
            try:
                paths = self._fetch(download)
            except DataError as error:
                tried.append(str(error))
        if paths is None:
            raise DataError(self._absent(tried))
        return paths

    def locate(self, data_dir: str | None, download: bool) -> str:
        """Where the files are, or would be fetched from, in words; nothing is read or fetched.

        Raises:
            DataError: no place holds them all, and they cannot be fetched.
        """
        paths, tried = self._seek(data_dir)
        if paths is not None:
            return f"in {next(iter(paths.values())).parent}"
        if data_dir is None:
            closed = self._closed(download)
            if closed is None:
                looked = ", ".join(str(folder) for _, folder in self.places(data_dir))
                return f"not here (looked in {looked}); fetched from {self.url} when first used"
            tried.append(closed)
        raise DataError(self._absent(tried))

    def present(self, data_dir: str | None) -> tuple[Path, ...]:
        """The paths of all files where one place holds them; nothing is fetched."""
        paths, _ = self._seek(data_dir)
        return tuple((paths or {}).values())

    def _seek(self, data_dir: str | None) -> tuple[dict[str, Path] | None, list[str]]:
        """Every file, from the first place that holds them all; and what the others lack."""
        tried: list[str] = []
        for label, folder in self.places(data_dir):
            found = {file: self._present(folder, file) for file in self.sha256}
            paths = {file: path for file, path in found.items() if path}
            if len(paths) == len(found):
                return paths, tried
            tried.append(f"{label} {folder}: {_lack(folder, sorted(found.keys() - paths))}")
        return None, tried

    def places(self, data_dir: str | None) -> Iterator[tuple[str, Path]]:
        """Where to look, in order: what is given decides alone."""
        if data_dir is not None:
            yield "data_dir", Path(data_dir).expanduser()
            return
        if root := os.environ.get(VARIABLE):
            yield VARIABLE, Path(root).expanduser() / self.name
            yield VARIABLE, Path(root).expanduser()
        if find_spec("pooch"):
            yield "cache", self._cache()

    def _cache(self) -> Path:
        import pooch

        return Path(pooch.os_cache("wflow")) / self.name

    def _fetch(self, allowed: bool) -> dict[str, Path]:
        """Every file from ``url`` into the cache; what has another checksum is not kept."""
        if closed := self._closed(allowed):
            raise DataError(closed)
        import pooch

        pooch.get_logger().setLevel(logging.WARNING)
        fetch, unpack = pooch.HTTPDownloader(timeout=SECONDS), None
        known = {file: f"sha256:{digest}" for file, digest in self.sha256.items()}
        if self.archive:
            known = {self.archive.file: f"md5:{self.archive.md5}"}
            unpack = pooch.Untar([f"{self.archive.folder}/{file}" for file in self.sha256], ".")
        try:
            source = pooch.create(self._cache(), self.url, registry=known)
            for file in known:
                source.fetch(file, unpack, fetch)
            found = {file: self._present(self._cache(), file) for file in self.sha256}
            return {file: path for file, path in found.items() if path}
        except (OSError, ValueError) as error:
            with suppress(OSError):  # which holds what was fetched before, if anything
                self._cache().rmdir()
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise DataError(f"{self.url}: {reason}") from error

    def _closed(self, allowed: bool) -> str | None:
        """Why the server is not asked; None where it is."""
        if not self.url:
            return "no server is known to have them"
        if not allowed:
            return f"{self.url}: not asked, by download: false"
        return None if find_spec("pooch") else f"{self.url}: not asked, as pooch is not installed"

    def _absent(self, tried: list[str]) -> str:
        places = "\n".join(f"  {place}" for place in tried)
        unzipped = " (or unzipped)" if any(file.endswith(".gz") for file in self.sha256) else ""
        fetched = "; or `pip install weightspace-flow[data]`, which fetches them where there is "
        return (
            f"the files of {self.name} are not to be had; tried\n{places}\n"
            f"put {', '.join(self.sha256)}{unzipped} into a folder {self.name}, and set "
            f"{VARIABLE} to the folder around it or the option data_dir to itself"
            + (f"{fetched}a network" if self.url else "")
        )

    def _present(self, folder: Path, file: str) -> Path | None:
        """The unzipped file, which is read faster, else the zipped one, else the archive's."""
        places = [folder / file.removesuffix(".gz"), folder / file]
        if self.archive:
            places.append(folder / self.archive.folder / file)
        return next((place for place in places if place.is_file()), None)


def _lack(folder: Path, files: list[str]) -> str:
    return f"lacks {', '.join(files)}" if folder.is_dir() else "no such folder"
