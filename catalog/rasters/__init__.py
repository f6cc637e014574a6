"""A day's fields as files: encoding, Cloud-Optimized GeoTIFFs, thumbnails."""
