"""Our resource as this node sees it."""
