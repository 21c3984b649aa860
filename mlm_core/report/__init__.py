"""Pages and charts for people: HTML and SVG that need no network and run no script."""
