"""Storage: fitted objects as one checked file of JSON, arrays and blobs; no pickle."""
