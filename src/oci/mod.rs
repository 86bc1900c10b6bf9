//! OCI images (image-spec 1.1) and `docker save` archives: what their documents say, and where their blobs are.
