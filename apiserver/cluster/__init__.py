"""What the server keeps right in its cluster: its CA, its APIService, its agents' certificates."""
