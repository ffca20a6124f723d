"""Where tools act: the workspace's files and the children of tools, behind one choke point."""
