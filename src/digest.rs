//! Digests as OCI and checksum files write them: an algorithm and its bytes; the one hasher.
