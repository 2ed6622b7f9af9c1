"""What is known of an upload that was interrupted, so that it can go on where it stopped.

Kept in the user's cache folder, and in no project: which upload, and which parts arrived. The
uploader role may not list parts, and need not. It holds nothing secret: neither data nor
credentials. The bucket's lifecycle rule ends uploads that nobody finishes.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

CACHE_VARIABLE = "XDG_CACHE_HOME"
"""https://specifications.freedesktop.org/basedir-spec/latest/"""


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """One upload of one file to one key, in parts of one size."""

    bucket: str
    key: str
    part_bytes: int

    @property
    def path(self) -> Path:
        """Where it is written down."""
        home = os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache"
        name = hashlib.sha256(f"{self.bucket}/{self.key}".encode()).hexdigest()[:32]
        return Path(home) / "finetune" / "uploads" / f"{name}.json"

    def read(self) -> "tuple[str, list[CompletedPartTypeDef]] | None":
        """The id of the upload and the parts that arrived; None when there is none to go on with.

        What cannot be read, or is of another upload, is as good as nothing.
        """
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self.path.read_text(encoding="utf-8"))
            place = (found["bucket"], found["key"], found["part_bytes"])
            if place == (self.bucket, self.key, self.part_bytes):
                parts: list[CompletedPartTypeDef] = [
                    {
                        "PartNumber": int(part["PartNumber"]),
                        "ETag": str(part["ETag"]),
                        "ChecksumSHA256": str(part["ChecksumSHA256"]),
                    }
                    for part in found["parts"]
                ]
                return str(found["upload_id"]), parts
        return None

    def write(self, *, upload_id: str, parts: "list[CompletedPartTypeDef]") -> None:
        """Write down how far the upload is; a folder that cannot be written costs only that."""
        content = {
            "bucket": self.bucket,
            "key": self.key,
            "part_bytes": self.part_bytes,
            "upload_id": upload_id,
            "parts": parts,
        }
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(name).replace(self.path)

    def forget(self) -> None:
        """Remove what was written down."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
