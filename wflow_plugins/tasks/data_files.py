"""Search for the files of a data set in ``data_dir``, ``WFLOW_DATA`` and a cache, or download.

Cache and download need pooch, of the extra ``[data]``.
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

DATA_VARIABLE = "WFLOW_DATA"
TIMEOUT_SECONDS = 20
"""Timeout of a server's response."""


@dataclass(frozen=True)
class Archive:
    """A ``.tar.gz`` archive, with the files in one folder."""

    file: str
    md5: str
    folder: str


@dataclass(frozen=True)
class DataFiles:
    """The files of one data set.

    Attributes:
        name: name of the data set and of its folder.
        url: folder to download from, with a trailing slash; empty if there is none.
        sha256: checksum of each file, which may also be unzipped, without ``.gz``; None if only the
            archive has a checksum.
        archive: archive of the files, if any; files may also be in its folder.
    """

    name: str
    url: str
    sha256: Mapping[str, str | None]
    archive: Archive | None = None

    def paths(self, data_dir: str | None, download: bool) -> dict[str, Path]:
        """The path of each file, in the first folder with all files; downloaded if allowed.

        Raises:
            DataError: no folder has all files; names folders, missing files and fixes.
        """
        paths, failures = self._search(data_dir)
        if paths is None and data_dir is None:
            try:
                paths = self._download(download)
            except DataError as error:
                failures.append(str(error))
        if paths is None:
            raise DataError(self._missing_message(failures))
        return paths

    def locate(self, data_dir: str | None, download: bool) -> str:
        """The folder of the files, or their URL, in words; nothing is read or downloaded.

        Raises:
            DataError: no folder has all files, and they cannot be downloaded.
        """
        paths, failures = self._search(data_dir)
        if paths is not None:
            return f"in {next(iter(paths.values())).parent}"
        if data_dir is None:
            problem = self._download_problem(download)
            if problem is None:
                searched = ", ".join(str(folder) for _, folder in self.search_folders(data_dir))
                return (
                    f"not found in {searched}; will be downloaded from {self.url} when first used"
                )
            failures.append(problem)
        raise DataError(self._missing_message(failures))

    def existing_paths(self, data_dir: str | None) -> tuple[Path, ...]:
        """The paths of all files, or none if no folder has all; nothing is downloaded."""
        paths, _ = self._search(data_dir)
        return tuple((paths or {}).values())

    def _search(self, data_dir: str | None) -> tuple[dict[str, Path] | None, list[str]]:
        """The paths in the first folder with all files, or None; and the files others lack."""
        failures: list[str] = []
        for label, folder in self.search_folders(data_dir):
            existing = {file: self._existing_file(folder, file) for file in self.sha256}
            paths = {file: path for file, path in existing.items() if path}
            if len(paths) == len(existing):
                return paths, failures
            missing = _missing_files(folder, sorted(existing.keys() - paths))
            failures.append(f"{label} {folder}: {missing}")
        return None, failures

    def search_folders(self, data_dir: str | None) -> Iterator[tuple[str, Path]]:
        """Folders to search, in order; only ``data_dir`` if it is given."""
        if data_dir is not None:
            yield "data_dir", Path(data_dir).expanduser()
            return
        if root := os.environ.get(DATA_VARIABLE):
            yield DATA_VARIABLE, Path(root).expanduser() / self.name
            yield DATA_VARIABLE, Path(root).expanduser()
        if find_spec("pooch"):
            yield "cache", self._cache()

    def _cache(self) -> Path:
        import pooch

        return Path(pooch.os_cache("wflow")) / self.name

    def _download(self, allowed: bool) -> dict[str, Path]:
        """Download every file from ``url`` into the cache, with a check of its checksum."""
        if problem := self._download_problem(allowed):
            raise DataError(problem)
        import pooch

        pooch.get_logger().setLevel(logging.WARNING)
        downloader, unpack = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS), None
        registry = {file: f"sha256:{digest}" for file, digest in self.sha256.items()}
        if self.archive:
            registry = {self.archive.file: f"md5:{self.archive.md5}"}
            unpack = pooch.Untar([f"{self.archive.folder}/{file}" for file in self.sha256], ".")
        try:
            source = pooch.create(self._cache(), self.url, registry=registry)
            for file in registry:
                source.fetch(file, unpack, downloader)
            existing = {file: self._existing_file(self._cache(), file) for file in self.sha256}
            return {file: path for file, path in existing.items() if path}
        except (OSError, ValueError) as error:
            with suppress(OSError):  # only if empty
                self._cache().rmdir()
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise DataError(f"{self.url}: {reason}") from error

    def _download_problem(self, allowed: bool) -> str | None:
        """Why a download is impossible; None if it is possible."""
        if not self.url:
            return "no download URL is known"
        if not allowed:
            return f"{self.url}: not contacted, since download is false"
        return None if find_spec("pooch") else f"{self.url}: pooch is not installed"

    def _missing_message(self, failures: list[str]) -> str:
        lines = "\n".join(f"  {failure}" for failure in failures)
        unzipped = " (or unzipped)" if any(file.endswith(".gz") for file in self.sha256) else ""
        install_pooch = "; or `pip install weightspace-flow[data]`, which downloads them"
        return (
            f"the files of {self.name} are not available; tried\n{lines}\n"
            f"put {', '.join(self.sha256)}{unzipped} into a folder {self.name}, and set "
            f"{DATA_VARIABLE} to its parent folder or the option data_dir to the folder itself"
            + (install_pooch if self.url else "")
        )

    def _existing_file(self, folder: Path, file: str) -> Path | None:
        """The unzipped file, which is faster to read, else the zipped, else the archive's."""
        candidates = [folder / file.removesuffix(".gz"), folder / file]
        if self.archive:
            candidates.append(folder / self.archive.folder / file)
        return next((path for path in candidates if path.is_file()), None)


def _missing_files(folder: Path, files: list[str]) -> str:
    return f"lacks {', '.join(files)}" if folder.is_dir() else "no such folder"
