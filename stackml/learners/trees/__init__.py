"""Tree models of every library in one compact form: read from their own, stored, and predicted from."""
