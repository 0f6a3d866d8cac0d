"""A package, so that processes which tests start can import the functions that they run."""
