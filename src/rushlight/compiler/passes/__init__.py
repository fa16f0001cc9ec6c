"""The passes: each a pure function from graph to graph. ``pipeline`` says their order."""
