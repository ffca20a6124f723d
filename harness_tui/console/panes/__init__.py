"""One module a pane: `right` is the count in its rule, `body` its lines at a size. Pure functions of the model."""
