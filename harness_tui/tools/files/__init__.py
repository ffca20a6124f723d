"""Tools for the files of a workspace, all through the sandbox's tree."""
