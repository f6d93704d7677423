"""aiohttp: requests to calls, values to responses."""
