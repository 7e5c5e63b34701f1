"""The web page: five views, rendered on the server."""
