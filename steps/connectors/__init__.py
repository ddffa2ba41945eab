"""Clients of the three vendors and of a remote backend. They speak HTTP and payload models; they know no tables."""
