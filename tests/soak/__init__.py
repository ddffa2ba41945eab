"""The soak: the whole program as people run it, for minutes, while everything around it fails and comes back."""
