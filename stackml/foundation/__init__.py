"""Ground floor: errors, digests, seed streams, threads, progress events, optional imports."""
